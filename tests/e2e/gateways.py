"""What the tests of variants ask Envoy Gateway, another version, and a shadow to make sick.

Asserts nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from sandbox import gateway, images, lock, netns, web
from sandbox.buildah import open_storage
from sandbox.bundles import read_bundle, run_modelctl

from .loop import HERE, Loop, eventually

if TYPE_CHECKING:
    from collections.abc import Collection

    from .ad_hoc import AdHoc, Values

BY_GATEWAY = f"gateway.envoyproxy.io/owning-gateway-name={gateway.GATEWAY}"
DEADLINE_SECONDS = 120


def routed(host: str, **unit: Any) -> Values:
    """Values of a route for that host at the sandbox's Gateway; `unit` is hashed."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace()}}}
    return {
        "httpRoute": {
            "enabled": True,
            "implementation": "envoyGateway",
            "unit": unit,
            "hostnames": [host],
            "parents": {gateway.GATEWAY: {"namespace": gateway.GATEWAYS}},
        },
        "networkPolicy": {"from": {"gateway": peer}},
        "test": {"enabled": False},
    }


def namespace() -> str:
    """Where the pods of Envoy run."""
    return gateway.NAMESPACE


@dataclass(frozen=True)
class Version:
    """Another version of iris, in the registry: values of a variant, and what its pods say."""

    values: dict[str, Any]
    name: str


def built_forest(loop: Loop, folder: Path) -> Version:
    """A random forest for the same rows as iris in git; its image is in the registry."""
    shutil.copytree(loop.worktree / "build/training/iris", folder / "training")
    frame = pd.read_csv(folder / "training/sample.csv")
    model = RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0)
    model.fit(frame.drop(columns="species"), frame["species"])
    joblib.dump(model, folder / "training/model.joblib")
    words = ("--config", "models/iris/model.yaml", "--version", "2.0.0", "--out", folder / "bundle")
    run_modelctl(loop.layout, loop.worktree, "package", folder / "training", *words)
    found = read_bundle(loop.layout, loop.worktree, folder / "bundle")
    bundle = replace(found, folder=folder / "bundle")
    # A build throws away what it finds of others.
    with lock.exclusive(wait=True):
        image = images.ensure_image(loop.layout, open_storage(loop.layout), loop.gitops, bundle)
    parts = image.values
    model_values = {"version": bundle.version, "digest": bundle.digest}
    return Version({"image": parts, "model": model_values, "replicaCount": 1}, bundle.version)


@dataclass
class Answers:
    """Who was answered by which version, in the order of the answers; `cookies` that were set."""

    versions: list[tuple[str, str]]
    cookies: list[str]
    failures: list[str]

    def by_unit(self) -> dict[str, set[str]]:
        """Every version that a unit has met."""
        found: dict[str, set[str]] = {}
        for unit, version in self.versions:
            found.setdefault(unit, set()).add(version)
        return found


@dataclass(frozen=True)
class Gateway:
    """Envoy's Service; it has a name and a namespace as a release has."""

    loop: Loop
    folder: Path
    model: str
    namespace: str
    address: str

    @classmethod
    def found(cls, loop: Loop, folder: Path) -> Gateway:
        """The one that Envoy Gateway has made for the Gateway."""
        (service,) = loop.get("service", f"--namespace={namespace()}", f"-l={BY_GATEWAY}")["items"]
        name, address = service["metadata"]["name"], service["spec"]["clusterIP"]
        return cls(loop, folder, name, namespace(), address)

    def ask(self, host: str, path: str) -> web.Reply:
        """What it answers to a request for that host."""
        return web.request(
            "GET", f"http://{self.address}{path}", headers={"Host": host}, in_netns=True
        )

    def predict(self, host: str, body: bytes) -> web.Reply:
        """What it answers to a request for a prediction."""
        headers = {"Host": host, "Content-Type": "application/json"}
        url = f"http://{self.address}/predict"
        return web.request("POST", url, body=body, headers=headers, in_netns=True)

    def wait_routed(self, host: str) -> float:
        """Wait until it has learnt of a route; returns seconds."""

        def probe() -> tuple[bool, Any]:
            reply = self.ask(host, "/ready")
            return reply.status == 200, (reply.status, reply.text)

        return eventually(f"{host} at the gateway", probe, 60)

    def population(self, host: str, body: Path, units: Collection[str], unit: str) -> Answers:
        """Ask for a prediction once for each; `unit` is `--header=NAME` or `--cookie=NAME`."""
        file = self.folder / "units.json"
        file.write_text(json.dumps(list(units)), encoding="utf-8")
        words = (self.address, "80", str(body), str(file), f"--url=http://{host}/predict", unit)
        argv = netns.enter_argv([sys.executable, HERE / "population.py", *words])
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
        report = json.loads(done.stdout)
        return Answers(
            versions=[(name, version) for name, version, _ in report["answers"]],
            cookies=[cookie for _, _, cookie in report["answers"]],
            failures=report["failures"],
        )


@dataclass(frozen=True)
class Shadow:
    """The only pod of a variant that gets copies."""

    release: AdHoc
    name: str

    def pod(self) -> Any:
        """The newest that is not on its way out; waits until there is one with an address."""
        selector = f"--selector=app.kubernetes.io/instance={self.release.model}-{self.name}"
        found: list[Any] = []

        def probe() -> tuple[bool, Any]:
            pods = self.release.get("pods", selector)["items"]
            staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
            found[:] = [pod for pod in staying if "podIP" in pod["status"]]
            return bool(found), [pod["metadata"]["name"] for pod in pods]

        eventually("a pod of the shadow", probe, DEADLINE_SECONDS)
        return max(found, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def ask(self, timeout_seconds: float) -> int:
        """The status of its own answer; 0 without one in that time."""
        url = f"http://{self.pod()['status']['podIP']}:8080/ready"
        return web.request("GET", url, in_netns=True, timeout_seconds=timeout_seconds).status

    def wait_ready(self) -> None:
        """Wait until it answers again."""
        eventually("the shadow answers", lambda: (self.ask(2) == 200, ""), DEADLINE_SECONDS)

    def copies(self) -> int:
        """How many predictions it has answered since it started."""
        url = f"http://{self.pod()['status']['podIP']}:8080/metrics"
        text = web.request("GET", url, in_netns=True).text
        found = re.findall(r'^ml_requests_total\{.*route="/predict".*\} (\S+)', text, re.MULTILINE)
        return int(sum(map(float, found)))

    def signal(self, number: int) -> int:
        """Send a signal to every process of the model in the pod; returns to how many."""
        uid = self.pod()["metadata"]["uid"]
        sent = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                groups = (folder / "cgroup").read_text().replace("_", "-")
                # The other container of a pod only holds its network.
                if uid in groups and (folder / "comm").read_text().strip() != "pause":
                    os.kill(int(folder.name), number)
                    sent += 1
        return sent
