"""Production comes back on its own: whatever was deleted or in the way, within 120 s."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sandbox import predictions
from sandbox.bundles import read_bundle
from tests import rendering
from tests.runner.scenarios import RESTARTS

from .loop import Loop, eventually, measured
from .test_loop import set_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sandbox.environments import Release
    from sandbox.wait import Answer

RECOVERY_SECONDS = 120
# How often Argo CD must have retried what cannot succeed before the cause goes.
RETRIES = 2
DEV = "--namespace=ml-dev"
RELEASE = "dev-iris"
SETTINGS = "environments/dev/iris/settings.yaml"
OVERLAY = "kustomize/environments/overlays/dev/kustomization.yaml"
CAUSE = "e2e-cause"


@dataclass(frozen=True)
class Question:
    """A request to a release, and what packaging recorded as its answer."""

    release: Release
    url: str
    body: str
    expected: Any


def questions(loop: Loop) -> list[Question]:
    """One for each release that git declares."""
    asked = []
    for release in loop.releases:
        folder = loop.found / "build/bundles" / release.model
        body, expected = read_bundle(loop.layout, loop.worktree, folder).sample()
        asked.append(Question(release, loop.url(release), json.dumps(body), expected))
    return asked


def answered(asked: Iterable[Question]) -> tuple[bool, Any]:
    """Whether each release serves the digest in git and predicts what was recorded."""

    def ask(each: Question) -> Answer:
        return predictions.compare(each.release, each.url, each.body, each.expected)

    # Side by side: to one that is not there yet, a connection may hang until its time is over.
    with ThreadPoolExecutor(16) as pool:
        answers = {each.release.name: pool.submit(ask, each) for each in asked}
    found = {name: answer.result() for name, answer in answers.items()}
    wrong = {name: answer.state for name, answer in found.items() if not answer.ready}
    return not wrong, wrong


def recovered(loop: Loop, what: str, started: float) -> None:
    """Wait until all is healed: every release answers, and the cluster is what git says."""
    left = RECOVERY_SECONDS - (time.monotonic() - started)
    eventually(f"{what}: every release answers", lambda: answered(questions(loop)), left)
    measured(f"{what}: every release answers", time.monotonic() - started, RECOVERY_SECONDS)
    loop.wait_synced(RECOVERY_SECONDS - (time.monotonic() - started))


@pytest.mark.loop
def test_every_release_answers_again_after_all_namespaces_were_deleted(loop: Loop) -> None:
    namespaces = [environment.namespace for environment in loop.environments]
    before = {name: loop.get("namespace", name)["metadata"] for name in namespaces}
    started = time.monotonic()
    loop.kubectl("delete", "namespace", *namespaces, "--wait=false")
    eventually(
        "the namespaces are new ones",
        lambda: are_new(loop, {item["uid"] for item in before.values()}, namespaces),
        RECOVERY_SECONDS,
    )
    recovered(loop, "deleted namespaces", started)
    for name, metadata in before.items():
        assert loop.get("namespace", name)["metadata"]["labels"] == metadata["labels"]
        where = f"--namespace={name}"
        assert loop.get("resourcequota", where)["items"]
        assert loop.get("limitrange", where)["items"]
        # The admission policy: no pod without the policy that isolates it.
        isolated = loop.get("networkpolicy", "default-deny", where)["metadata"]
        pods = [pod["metadata"]["creationTimestamp"] for pod in loop.get("pods", where)["items"]]
        assert min(pods) >= isolated["creationTimestamp"]


def are_new(loop: Loop, old: set[str], namespaces: Sequence[str]) -> tuple[bool, Any]:
    """Whether all of them exist and none of them is one of the old ones."""
    items = loop.get("namespace")["items"]
    found = {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}
    there = {name: found.get(name, "") for name in namespaces}
    return all(there.values()) and not set(there.values()) & old, there


def test_a_pod_waits_until_its_namespace_is_isolated(loop: Loop) -> None:
    """What the policy says while the baseline is not there yet."""
    name = "e2e-bare"
    place = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"ml-model/environment": "e2e"}},
    }
    loop.kubectl("apply", "--filename=-", stdin=json.dumps(place))
    try:
        words = ("run", "pod", "--image=example.org/none:1", f"--namespace={name}")
        assert "ml-model-baseline-first" in loop.kubectl(*words, check=False)
    finally:
        loop.kubectl("delete", "namespace", name, "--wait=false")


# --- What keeps a sync from succeeding, for a while


@contextmanager
def quota_too_low(loop: Loop) -> Iterator[None]:
    """A quota in git below what runs: no pod and no object of these kinds can be created."""
    path = loop.worktree / OVERLAY
    content = yaml.safe_load(path.read_text())
    hard = {"pods": "0", "configmaps": "0", "services": "0"}
    patch = [
        {"op": "add", "path": f"/spec/hard/{key}", "value": value} for key, value in hard.items()
    ]
    content["patches"] = [
        *content.get("patches", []),
        {"target": {"kind": "ResourceQuota"}, "patch": yaml.safe_dump(patch)},
    ]
    path.write_text(yaml.safe_dump(content))
    loop.push("A quota below what runs", OVERLAY)
    commit = loop.gitops.head()
    try:
        eventually("the quota is low", lambda: has_quota(loop, hard), 60)
        yield
    finally:
        loop.gitops.git("revert", "--no-edit", commit)
        loop.gitops.push()


def has_quota(loop: Loop, hard: dict[str, str]) -> tuple[bool, Any]:
    """Whether the quota controller has taken over those limits."""
    found = loop.get("resourcequota", "baseline", DEV)["status"].get("hard", {})
    return hard.items() <= found.items(), found


@contextmanager
def admission_down(loop: Loop) -> Iterator[None]:
    """A webhook that has to be asked, and is not there."""
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": CAUSE},
        "webhooks": [
            {
                "name": "e2e.example.org",
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 1,
                "clientConfig": {"service": {"namespace": "default", "name": "nobody"}},
                "namespaceSelector": {"matchLabels": {"ml-model/environment": "dev"}},
                "rules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["configmaps", "services", "deployments", "pods"],
                    }
                ],
            }
        ],
    }
    loop.kubectl("apply", "--filename=-", stdin=json.dumps(hook))
    try:
        yield
    finally:
        loop.kubectl("delete", "validatingwebhookconfiguration", CAUSE)


@contextmanager
def namespace_terminating(loop: Loop) -> Iterator[None]:
    """A namespace that cannot end, because an object in it has a finalizer that nobody takes."""
    metadata = {"name": CAUSE, "namespace": "ml-dev", "finalizers": ["e2e.example.org/wait"]}
    kept = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    loop.kubectl("apply", "--filename=-", stdin=json.dumps(kept))
    loop.kubectl("delete", "namespace", "ml-dev", "--wait=false")
    try:
        yield
    finally:
        patch = json.dumps({"metadata": {"finalizers": None}})
        loop.kubectl("patch", "secret", CAUSE, DEV, "--type=merge", f"--patch={patch}")


CAUSES: list[Callable[[Loop], AbstractContextManager[None]]] = [
    quota_too_low,
    admission_down,
    namespace_terminating,
]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_everything_heals_when_what_kept_a_sync_from_succeeding_is_gone(
    loop: Loop, cause: Callable[[Loop], AbstractContextManager[None]]
) -> None:
    with cause(loop):
        break_in_turn(loop)
    recovered(loop, cause.__name__, time.monotonic())


def break_in_turn(loop: Loop) -> None:
    """Delete one object, and the rest when Argo CD has begun to heal the first and cannot."""
    quiet = (DEV, "--ignore-not-found", "--wait=false")
    loop.kubectl("delete", "configmap/iris", *quiet)
    wait_stuck(loop, RELEASE)
    names = [
        f"{kind}/iris" for kind in ("serviceaccount", "service", "deployment", "networkpolicy")
    ]
    loop.kubectl("delete", *names, *quiet)


def wait_stuck(loop: Loop, name: str) -> None:
    """Wait until an operation of the Application has failed and been retried."""

    def probe() -> tuple[bool, Any]:
        state = loop.application(name).get("operationState", {})
        return state.get("retryCount", 0) >= RETRIES, state.get("message")

    eventually(f"{name} cannot be synced", probe, 90)


@pytest.mark.group(RESTARTS)
def test_everything_heals_when_a_missing_definition_is_back(loop: Loop, definition: Path) -> None:
    """Alone on the sandbox, because other tests have monitors too."""
    applied = ("apply", "--server-side", f"--filename={definition}")

    def edit() -> None:
        set_value(loop.worktree / SETTINGS, "metrics", "monitor", "ServiceMonitor")

    with loop.change(edit, "A monitor without its definition", SETTINGS):
        # First a whole sync that cannot succeed, then the partial one of self-healing.
        wait_stuck(loop, RELEASE)
        loop.kubectl(*applied)
        recovered(loop, "definition that came later", time.monotonic())
        loop.kubectl("delete", f"--filename={definition}")
        try:
            break_in_turn(loop)
        finally:
            loop.kubectl(*applied)
        recovered(loop, "definition that was deleted", time.monotonic())
    loop.kubectl("delete", f"--filename={definition}")


@pytest.fixture
def definition() -> Path:
    """The definition of ServiceMonitors."""
    (path,) = (rendering.TOOLS.parent / "share").glob("crds-*/crds/*servicemonitors.yaml")
    return path
