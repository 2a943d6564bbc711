"""Releases of the chart beside those in git: plain Helm, in a namespace of their own.

What a test does to them disturbs no release that Argo CD looks after. Asserts nothing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox import kube, web
from tests import rendering

from .loop import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .loop import Loop

NAMESPACE = "ad-hoc"
# Ready within that on a machine that is busy with something else as well.
DEADLINE_SECONDS = 180

Values = dict[str, Any]


@dataclass
class AdHoc:
    """One release of the chart; `model` is its name, that of its Service and of its Deployment.

    `recipe` names one of the chart's examples, which `values` then add to.
    """

    loop: Loop
    folder: Path
    model: str
    values: Values
    recipe: str = ""
    namespace: str = NAMESPACE

    def install(self, *, wait: bool = True) -> None:
        """Install it, from the image that runs in dev unless the values name another."""
        self._helm("upgrade", "--install", self.model, *self._arguments(wait))
        if wait:
            self._wait_served()

    def upgrade(self, values: Values) -> float:
        """Add these values to what was set before; returns seconds until Helm calls it ready."""
        self.values = merged(self.values, values)
        started = time.monotonic()
        self._helm("upgrade", self.model, *self._arguments(wait=True))
        return time.monotonic() - started

    def test(self) -> str:
        """What `helm test` prints: a real prediction, and whose digest answered."""
        return self._helm("test", self.model, f"--timeout={DEADLINE_SECONDS}s")

    def uninstall(self) -> None:
        """Remove it; its pods finish what they have accepted, and nobody waits for them."""
        self._helm("uninstall", self.model, "--ignore-not-found")

    def wait_ready(self) -> None:
        """Wait until the rollout is complete and the Service leads to its pods."""
        words = ("rollout", "status", f"deployment/{self.model}", "--timeout=50s")
        eventually(
            f"{self.model} ready",
            lambda: ("successfully" in (said := self.kubectl(*words, check=False)), said),
            DEADLINE_SECONDS,
        )
        self._wait_served()

    def get(self, kind: str, *words: str) -> Any:
        """An object of the release as JSON; without more words the one that has its name."""
        return self.loop.get(kind, *(words or (self.model,)), f"--namespace={self.namespace}")

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """What kubectl prints in the namespace of the release."""
        return self.loop.kubectl(*words, f"--namespace={self.namespace}", stdin=stdin, check=check)

    def pods(self) -> dict[str, Any]:
        """Its pods by name, those on their way out too."""
        selector = (
            f"--selector=app.kubernetes.io/instance={self.model},!app.kubernetes.io/component"
        )
        return {item["metadata"]["name"]: item for item in self.get("pods", selector)["items"]}

    def ready_pods(self) -> list[str]:
        """The names of those that get requests."""
        return [name for name, pod in self.pods().items() if is_ready(pod)]

    def wait_pods(self, what: str, judge: Callable[[dict[str, Any]], bool]) -> float:
        """Wait until the pods are as a function of them says; returns seconds."""

        def probe() -> tuple[bool, Any]:
            pods = self.pods()
            return judge(pods), {name: pod["status"]["phase"] for name, pod in pods.items()}

        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        with kube.watching(self.loop.layout, pods) as pause:
            return eventually(what, probe, DEADLINE_SECONDS, pause)

    def _wait_served(self) -> None:
        """Wait for kube-proxy, which hears of the first ready pod a moment after everybody else."""
        url = f"http://{self.get('service')['spec']['clusterIP']}/ready"

        def probe() -> tuple[bool, Any]:
            reply = web.request("GET", url, in_netns=True)
            return reply.status == 200, reply.text

        eventually(f"the Service of {self.model}", probe, DEADLINE_SECONDS)

    def _arguments(self, wait: bool) -> list[str]:
        dev = self.loop.found / "environments" / "dev" / "iris"
        version = yaml.safe_load((dev / "version.yaml").read_text(encoding="utf-8"))
        values = merged({key: version[key] for key in ("image", "model")}, self.values)
        file = self.folder / f"{self.model}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        recipe = [rendering.CHART / "ci" / f"{self.recipe}-values.yaml"] if self.recipe else []
        files = rendering.values(dev / "capacity.yaml", *recipe, file)
        waiting = ["--wait", f"--timeout={DEADLINE_SECONDS}s"] if wait else []
        return [str(rendering.CHART), *files, *waiting]

    def _helm(self, *words: str) -> str:
        where = ("--namespace", self.namespace, "--kubeconfig", self.loop.layout.kubeconfig)
        result = rendering.run(rendering.tool("helm4"), *words, *where)
        assert result.code == 0, result.stdout + result.stderr
        return result.stdout + result.stderr


@dataclass(frozen=True)
class AdHocReleases:
    """The namespace, and how a release gets into it for the time of a test."""

    loop: Loop
    folder: Path

    @contextmanager
    def installed(
        self, name: str, values: Values, *, recipe: str = "", wait: bool = True
    ) -> Iterator[AdHoc]:
        """That release exists meanwhile; with `wait` it is ready at once."""
        release = AdHoc(self.loop, self.folder, name, values, recipe)
        try:
            release.install(wait=wait)
            yield release
        finally:
            # What failed to install is there all the same.
            release.uninstall()


def is_ready(pod: dict[str, Any]) -> bool:
    """Does the pod get requests: ready, and not on its way out?"""
    conditions = pod["status"].get("conditions", [])
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def merged(first: Values, second: Values) -> Values:
    """Two trees of values as Helm joins them: the second wins."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


@contextmanager
def applied(loop: Loop, manifests: list[rendering.Manifest]) -> Iterator[None]:
    """Those objects exist meanwhile, and are gone afterwards."""
    if not manifests:
        yield
        return
    stream = yaml.safe_dump_all(manifests)
    loop.kubectl("apply", "--server-side", "--filename=-", stdin=stream)
    try:
        yield
    finally:
        loop.kubectl("delete", "--ignore-not-found", "--wait", "--filename=-", stdin=stream)


def restricted_namespace(name: str) -> rendering.Manifest:
    """A namespace with the Pod Security labels of an environment, and not one of its own."""
    labelled = rendering.only(rendering.build_overlay(rendering.OVERLAYS / "dev"), "Namespace")
    security = "pod-security.kubernetes.io/"
    labels = labelled["metadata"]["labels"].items()
    metadata = {"name": name, "labels": {k: v for k, v in labels if k.startswith(security)}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
