"""What we promise of the loop, each on the real Argo CD: prune, isolation, rollback, limits."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from sandbox import process
from sandbox.bundles import run_modelctl
from sandbox.components import argocd
from sandbox.errors import CommandError

from .loop import Loop, eventually, measured
from .test_freeze import window
from .test_loop import post, set_value

ROLLBACK_SECONDS = 60


def settings_of(release: str) -> str:
    """The settings file of a release."""
    environment, _, model = release.partition("-")
    return f"environments/{environment}/{model}/settings.yaml"


def broken_settings(loop: Loop) -> None:
    """A key that the chart refuses, in dev's iris."""
    path = loop.worktree / settings_of("dev-iris")
    path.write_text(f"{path.read_text()}noSuchKey: 1\n")


def extra_object(loop: Loop, kind: str, api: str, content: str) -> None:
    """An object of that kind among those of dev's iris."""
    path = loop.worktree / settings_of("dev-iris")
    text = f"extraObjects:\n  e2e:\n    apiVersion: {api}\n    kind: {kind}\n    {content}\n"
    path.write_text(path.read_text() + text)


def conditions(loop: Loop, name: str) -> str:
    """What Argo CD has against an Application, in words."""
    return json.dumps(loop.application(name).get("conditions", []))


@pytest.mark.loop
def test_what_leaves_git_leaves_the_cluster(loop: Loop) -> None:
    def there() -> tuple[bool, str]:
        words = ("get", "configmap", "iris-e2e", "--namespace=ml-dev", "--ignore-not-found")
        found = loop.kubectl(*words, "--output=name").strip()
        return bool(found), found

    with loop.change(
        lambda: extra_object(loop, "ConfigMap", "v1", "data: {a: b}"),
        "One object more",
        settings_of("dev-iris"),
    ):
        eventually("the object is there", there, 90)
    started = time.monotonic()
    eventually("the object is gone", lambda: (not there()[0], "there"), 30)
    measured("pruned after everything was Synced", time.monotonic() - started, 10)


def test_a_bad_commit_in_one_model_leaves_all_others_alone(loop: Loop) -> None:
    others = settings_of("dev-penguins")
    url = f"{loop.url(loop.release('dev-penguins'))}/predict/batch"
    rows = json.loads((loop.worktree / "build/bundles/penguins/sample.json").read_text())["rows"]
    nine = {"instances": (rows * 9)[:9]}
    before = loop.pods()
    with loop.change(lambda: broken_settings(loop), "Broken", settings_of("dev-iris")):
        eventually(
            "the bad commit is refused",
            lambda: ((text := conditions(loop, "dev-iris")).count("noSuchKey") > 0, text),
            90,
        )
        # Not only do the others keep what they have: they still get what is new.
        with changed(
            loop, others, lambda: set_value(loop.worktree / others, "config", "maxBatchRows", 8)
        ):
            seconds = eventually(
                "another model's change is served",
                lambda: ((reply := post(url, nine)).status in (413, 422), reply.text),
                90,
            )
            measured("a change beside a bad commit is served", seconds, 30)
        assert loop.pods()["dev-iris"] == before["dev-iris"]
        for release in loop.releases:
            if release.name not in ("dev-iris", "dev-penguins"):
                assert loop.pods()[release.name] == before[release.name]


@contextmanager
def changed(loop: Loop, path: str, edit: Any) -> Iterator[None]:
    """Push an edit and at the end its reverse, without waiting for what is broken beside it."""
    edit()
    loop.push("Another", path)
    commit = loop.gitops.head()
    try:
        yield
    finally:
        loop.gitops.git("revert", "--no-edit", commit)
        loop.gitops.push()


def test_a_version_file_that_is_no_yaml_takes_nothing_away(loop: Loop) -> None:
    path = "environments/dev/iris/version.yaml"
    before = loop.pods()
    others = {release.name for release in loop.releases} - {"dev-iris"}
    with changed(loop, path, lambda: (loop.worktree / path).write_text("image: [unclosed\n")):
        eventually(
            "the generator says so",
            lambda: ("ErrorOccurred" in (text := failing(loop)), text),
            90,
        )
        names = {item["metadata"]["name"] for item in loop.get("applications", "-A")["items"]}
        assert others <= names
    # After an error the generator looks again in three minutes, or as soon as it is asked to.
    refresh = "argocd.argoproj.io/application-set-refresh=true"
    loop.kubectl("annotate", "--overwrite", "applicationset/models", "--namespace=argocd", refresh)
    eventually(
        "the generator has recovered",
        lambda: ("ErrorOccurred" not in (text := failing(loop)), text),
        240,
    )
    loop.wait_synced()
    assert loop.pods() == before


def failing(loop: Loop) -> str:
    """The conditions of the generator of models that are true."""
    status = loop.get("applicationset", "models", "--namespace=argocd").get("status", {})
    return json.dumps([c for c in status.get("conditions", []) if c["status"] == "True"])


@pytest.mark.loop
def test_rollback_is_one_command_and_one_push_and_a_freeze_can_be_broken(loop: Loop) -> None:
    """The rollback of a frozen release; without a freeze it is walked in the documentation."""
    release = loop.release("dev-iris")
    path, environments = "environments/dev/iris/version.yaml", "environments/environments.yaml"
    image, _, digest = release.image.partition("@")
    bundle = loop.worktree / "build/bundles/iris"
    words = ("--env", "dev", "--image", f"{image}-e2e@{digest}", "--bundle", bundle)
    head = loop.gitops.head()
    modelctl = partial(run_modelctl, loop.layout, loop.worktree)
    modelctl("bump", "iris", *words)
    loop.push("Bump iris in dev", path)
    try:
        eventually("the new version runs", lambda: running(loop, f"{image}-e2e@"), 120)
        modelctl("freeze", "dev/iris", "--until", "2999-12-24", "--reason", "inventory")
        loop.push("Freeze iris in dev", environments)
        eventually("Argo CD has the window", lambda: window(loop), 90)
        rollback = ("rollback", "iris", "--env", "dev", "--reason", "tested")
        with pytest.raises(CommandError, match="frozen"):
            modelctl(*rollback)
        started = time.monotonic()
        modelctl(*rollback, "--break-freeze")
        loop.push("Roll iris back in dev", path, environments)
        eventually("the old version runs", lambda: running(loop, f"{image}@"), 180)
        seconds = time.monotonic() - started
        measured("from a rollback through a freeze to the old version", seconds, ROLLBACK_SECONDS)
        assert not window(loop)[0]
        assert loop.release("dev-iris").image == release.image
    finally:
        loop.gitops.git("checkout", head, "--", path, environments)
        loop.push("As it was", path, environments)
        loop.wait_synced()


def running(loop: Loop, image: str) -> tuple[bool, Any]:
    """Whether the rollout of dev's iris to an image has ended."""
    found = loop.get("deployment", "iris", "--namespace=ml-dev")
    used = found["spec"]["template"]["spec"]["containers"][0]["image"]
    status = found["status"]
    done = status.get("observedGeneration") == found["metadata"]["generation"] and status.get(
        "updatedReplicas"
    ) == status.get("readyReplicas") == status.get("replicas")
    return used.startswith(image) and done, (used, status)


def test_the_autoscalers_replicas_survive_a_sync(loop: Loop) -> None:
    """Nobody else writes the number: git does not hold it, and no sync takes it over."""
    words = ("deployment", "iris", "--namespace=ml-production")
    path = settings_of("production-iris")
    generation = loop.get(*words)["metadata"]["generation"]
    with loop.change(
        lambda: set_value(loop.worktree / path, "config", "maxBatchRows", 99), "Sync", path
    ):
        eventually(
            "the change is synced",
            lambda: ((g := loop.get(*words)["metadata"]["generation"]) > generation, g),
            90,
        )
        loop.wait_synced()
        found = loop.get(*words, "--show-managed-fields")
        owners = {
            entry["manager"]
            for entry in found["metadata"]["managedFields"]
            if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        }
        assert "argocd-controller" not in owners
        hpa = loop.get("hpa", "iris", "--namespace=ml-production")
        assert found["spec"]["replicas"] == hpa["status"]["desiredReplicas"] >= 2


def foreign(kind: str) -> dict[str, Any]:
    """An Application in dev's project that wants more than the project allows."""
    root = "https://git.example/other.git"
    namespace = {"namespace": "kube-system"} if kind == "namespace" else {"namespace": "ml-dev"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"e2e-foreign-{kind}", "namespace": "argocd"},
        "spec": {
            "project": "dev-models",
            "source": {"repoURL": root, "targetRevision": "main", "path": "."},
            "destination": {"name": "in-cluster", **namespace},
        },
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("repository", "is not permitted in project"),
        ("namespace", "do not match any of the allowed destinations"),
    ],
)
def test_the_project_refuses_what_is_foreign(loop: Loop, kind: str, words: str) -> None:
    application = foreign(kind)
    if kind == "namespace":
        application["spec"]["source"]["repoURL"] = loop.gitops.url
    loop.kubectl("apply", "--filename=-", stdin=json.dumps(application))
    name = application["metadata"]["name"]
    try:
        eventually("it is refused", lambda: (words in (c := refused(loop, name)), c), 60)
    finally:
        loop.kubectl("delete", "application", name, "--namespace=argocd")


def refused(loop: Loop, name: str) -> str:
    found = loop.get("application", name, "--namespace=argocd").get("status", {})
    return json.dumps(found.get("conditions", []))


def test_the_project_refuses_a_kind_that_the_baseline_owns(loop: Loop) -> None:
    with loop.change(
        lambda: extra_object(loop, "ResourceQuota", "v1", "spec: {hard: {pods: '999'}}"),
        "A quota of our own",
        settings_of("dev-iris"),
    ):
        eventually("it is refused", lambda: refuses_quota(loop), 90)
        quotas = loop.kubectl("get", "resourcequota", "--namespace=ml-dev", "--output=name")
        assert quotas.split() == ["resourcequota/baseline"]


def refuses_quota(loop: Loop) -> tuple[bool, str]:
    operation = loop.application("dev-iris").get("operationState", {})
    text = json.dumps([operation.get("message"), operation.get("syncResult", {}).get("resources")])
    return "ResourceQuota is not permitted in project dev-models" in text, text


def test_a_repo_server_that_is_killed_while_it_renders_recovers(loop: Loop) -> None:
    path = settings_of("dev-iris")
    url = f"{loop.url(loop.release('dev-iris'))}/predict/batch"
    rows = json.loads((loop.worktree / "build/bundles/iris/sample.json").read_text())["rows"]
    nine = {"instances": (rows * 9)[:9]}
    repo_server = argocd.repo_server(loop.layout)
    with loop.change(
        lambda: set_value(loop.worktree / path, "config", "maxBatchRows", 8), "Smaller", path
    ):
        started = time.monotonic()
        for _ in range(3):
            record = process.find_running(loop.layout, repo_server.name)
            assert record
            os.kill(record.pid, signal.SIGKILL)
            eventually(
                "it is dead",
                lambda: (process.find_running(loop.layout, repo_server.name) is None, ""),
                10,
            )
            # A cluster restarts the container; here that is the sandbox's work.
            process.ensure(loop.layout, repo_server)
            time.sleep(1)
        eventually(
            "the change is served",
            lambda: ((reply := post(url, nine)).status in (413, 422), reply.text),
            180,
        )
        measured("served after three kills", time.monotonic() - started, 60)
