"""Releases run by Rollouts: an Application of their own, whose values a test changes, and its eyes.

The Application is compared and synced as the ApplicationSet `models` has it, but belongs to none of
the releases in git: what a test does to it disturbs no other.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from modelctl.cluster import transition
from sandbox import kube
from tests import rendering

from .ad_hoc import Values, merged
from .loop import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from modelctl.cluster.transition import Transition

    from .loop import Loop

NAMESPACE = "progressive"
DEADLINE_SECONDS = 180
COMPARE = "argocd.argoproj.io/compare-options"


def version(number: int) -> dict[str, Any]:
    """Values that make other pods, which serve all the same."""
    return {"config": {"maxBatchRows": number}}


@dataclass
class Delivered:
    """One release in an Application; `model` is the name of all its objects."""

    loop: Loop
    model: str
    values: Values
    annotations: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE

    @property
    def application(self) -> str:
        """The name of its Application."""
        return f"progressive-{self.model}"

    def change(self, values: Values) -> None:
        """Add these values to those before, as a commit would; Argo CD syncs them by itself."""
        self.values = merged(self.values, values)
        self.loop.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f-", stdin=json.dumps(self.manifest())
        )

    def manifest(self) -> dict[str, Any]:
        """Its Application, with the sync policy and the ignored differences of the models'."""
        shipped = self.loop.get("applicationset", "models", "--namespace=argocd")["spec"]
        template = shipped["template"]
        spec = template["spec"]
        (generator,) = shipped["generators"]
        elements = generator["matrix"]["generators"][0]["list"]["elements"]
        dev = self.loop.found / "environments" / "dev" / "iris"
        version = yaml.safe_load((dev / "version.yaml").read_text(encoding="utf-8"))
        values = merged(yaml.safe_load((dev / "capacity.yaml").read_text()), self.values)
        values = merged({key: version[key] for key in ("image", "model")}, values)
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": self.application,
                "namespace": "argocd",
                "annotations": {COMPARE: template["metadata"]["annotations"][COMPARE]}
                | self.annotations,
                "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            },
            "spec": {
                "project": "default",
                "destination": {"name": "in-cluster", "namespace": self.namespace},
                "source": {
                    "repoURL": elements[0]["repoURL"],
                    "targetRevision": elements[0]["revision"],
                    "path": "charts/ml-model",
                    "helm": {
                        "releaseName": self.model,
                        "skipTests": True,
                        "valuesObject": values,
                    },
                },
                "syncPolicy": spec["syncPolicy"],
                "ignoreDifferences": spec["ignoreDifferences"],
            },
        }

    def remove(self) -> None:
        """Delete the Application and all that it made."""
        words = ("delete", "application", self.application, "--namespace=argocd")
        self.loop.kubectl(*words, "--ignore-not-found", "--wait", "--timeout=100s")

    def get(self, kind: str, *words: str) -> Any:
        """An object of the release as JSON; without more words the one that has its name."""
        return self.loop.get(kind, *(words or (self.model,)), f"--namespace={self.namespace}")

    def kubectl(self, *words: str, check: bool = True) -> str:
        """What kubectl prints in its namespace."""
        return self.loop.kubectl(*words, f"--namespace={self.namespace}", check=check)

    def rollouts(self, command: str) -> str:
        """What the plugin of kubectl prints that people promote and abort with."""
        argv = (rendering.tool("kubectl-argo-rollouts"), command, self.model)
        where = ("--namespace", self.namespace, "--kubeconfig", self.loop.layout.kubeconfig)
        result = rendering.run(*argv, *where)
        assert result.code == 0, result.stderr
        return result.stdout

    def transition(self) -> Transition:
        """How far its Rollout has got."""
        return transition.read(self.get("rollout"))

    def wait(self, what: str, *phases: str, step: int | None = None) -> float:
        """Wait until its Rollout is in one of those phases, at that step; returns seconds."""

        def probe() -> tuple[bool, Any]:
            found = self.get("rollout")
            state = transition.read(found)
            at = step is None or state.step == step
            return transition.is_observed(found) and state.phase in phases and at, state

        return eventually(what, probe, DEADLINE_SECONDS)

    def wait_synced(self, sync: str = "Synced", health: str = "Healthy") -> float:
        """Wait until Argo CD has compared the newest values, and is content; returns seconds.

        Without `sync` it may find differences.
        """

        def probe() -> tuple[bool, Any]:
            found = self.loop.get("application", self.application, "--namespace=argocd")
            status = found.get("status", {})
            compared = status.get("sync", {}).get("comparedTo", {}).get("source")
            state = (status.get("sync", {}).get("status"), status.get("health", {}).get("status"))
            operation = status.get("operationState", {})
            seen = (*state, operation.get("phase"), operation.get("message", "")[:200])
            running = operation.get("phase") == "Running"
            wanted = (sync, health) if sync else (state[0], health)
            fits = compared == found["spec"]["source"] and state == wanted
            return fits and not running, seen

        return eventually(f"{self.application} synced", probe, DEADLINE_SECONDS)


@contextmanager
def delivered(
    loop: Loop,
    model: str,
    values: Values,
    annotations: dict[str, str] | None = None,
    sync: str = "Synced",
) -> Iterator[Delivered]:
    """That release exists meanwhile; it is Synced (see `wait_synced`) and Healthy at first."""
    release = Delivered(loop, model, values, annotations or {})
    release.change({})
    try:
        release.wait_synced(sync)
        yield release
    finally:
        release.remove()


@dataclass
class Seen:
    """What a watch has seen: each new state with the seconds since its begin."""

    states: list[tuple[float, Any]] = field(default_factory=list)

    @property
    def values(self) -> list[Any]:
        """The states in order, without their times."""
        return [state for _, state in self.states]

    def wait(self, state: Any) -> None:
        """Wait until that is the last state: a Rollout is Healthy a moment before."""
        eventually(f"weights {state}", lambda: (self.values[-1:] == [state], self.states), 10)


@contextmanager
def watching(
    release: Delivered, path: str, weights_in: Callable[[Any], list[Any]]
) -> Iterator[Seen]:
    """Note every version of the routes in a list; `weights_in` are the canary's in one of them.

    The API server tells each, however shortly it stood.
    """
    seen, stop = Seen(), threading.Event()
    found: dict[str, list[Any]] = {}

    def follow() -> None:
        started, since = time.monotonic(), ""
        while not stop.is_set():
            # A stream ends when it has been silent for a while.
            with suppress(OSError, http.client.HTTPException):
                for event in kube.events(release.loop.layout, path, since):
                    item = event["object"]
                    if event["type"] == "ERROR":
                        since = ""
                        break
                    since, name = (item["metadata"][k] for k in ("resourceVersion", "name"))
                    found[name] = [] if event["type"] == "DELETED" else weights_in(item)
                    weights = tuple(weight for each in found.values() for weight in each)
                    if not seen.states or seen.states[-1][1] != weights:
                        seen.states.append((round(time.monotonic() - started, 1), weights))
                    if stop.is_set():
                        break

    # A daemon: it may wait for a line.
    threading.Thread(target=follow, daemon=True).start()
    try:
        yield seen
    finally:
        stop.set()
        print(f"\n    weights: {seen.states}", flush=True)


def watching_weights(release: Delivered) -> AbstractContextManager[Seen]:
    """Look at the share of the canary in the TraefikServices of a release."""
    path = f"/apis/traefik.io/v1alpha1/namespaces/{release.namespace}/traefikservices"

    def weights_in(item: Any) -> list[Any]:
        services = item["spec"]["weighted"]["services"]
        return [s.get("weight") for s in services if s["name"] == f"{release.model}-canary"]

    return watching(release, path, weights_in)
