"""Real services and a real Prometheus that scrapes them every two seconds, all on loopback.

The labels are those of a cluster's scrape, so the rules and dashboards of the product select them.
Rules are those of the chart, rendered for these releases, only evaluated more often.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.app.live import LiveService
from tests.observability.faulty import Faulty
from tests.ports import free_port
from tests.queues.consumers import Consumer

NAMESPACE = "ml-dev"
# What happens every minute in a cluster happens here so often.
OFTEN = "2s"


class Stack:
    """The services by pod, and the Prometheus; a context manager that ends all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pods: dict[str, LiveService] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._targets = folder / "targets.json"
        self._targets.write_text("[]")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        for pod in list(self.pods):
            self.stop(pod)

    def serve(self, release: str, bundle: Path, pod: str, **environ: str) -> LiveService:
        """One more pod of a release, scraped from now on."""
        service = Faulty(bundle, self.folder / f"log-{pod}", environ)
        self._add(service, release, pod)
        return service

    def consume(self, release: str, bundle: Path, pod: str, **environ: str) -> LiveService:
        """A pod of the release's consumer, scraped as by its PodMonitor."""
        consumer = Consumer(bundle, self.folder / f"log-{pod}", environ)
        self._add(consumer, f"{NAMESPACE}/{release}-consumer", pod)
        return consumer

    def _add(self, service: LiveService, job: str, pod: str) -> None:
        self.pods[pod] = service
        service.wait_ready()
        labels = {"namespace": NAMESPACE, "job": job, "pod": pod, "container": "model"}
        targets = json.loads(self._targets.read_text())
        targets.append({"targets": [f"127.0.0.1:{service.port}"], "labels": labels})
        self._scrape(targets)

    def stop(self, pod: str) -> None:
        """End a pod; it is no longer scraped."""
        service = self.pods.pop(pod)
        targets = json.loads(self._targets.read_text())
        self._scrape([entry for entry in targets if entry["labels"]["pod"] != pod])
        service.stop()

    def _scrape(self, targets: list[dict[str, Any]]) -> None:
        """Prometheus reads the file whenever it changes, so it must never be half written."""
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.replace(self._targets)

    def watch(self, *releases: str, judged: Sequence[str] = ()) -> None:
        """Start Prometheus with the rules of these releases; those `judged` have a canary."""
        config: dict[str, Any] = {
            "global": {"scrape_interval": OFTEN, "evaluation_interval": OFTEN},
            "rule_files": [str(self.folder / "rules-*.yaml")],
            "scrape_configs": [
                {
                    "job_name": "pods",
                    "file_sd_configs": [{"files": [str(self._targets)], "refresh_interval": "1s"}],
                }
            ],
        }
        for release in releases:
            found = rules(release, is_judged=release in judged)
            (self.folder / f"rules-{release}.yaml").write_text(yaml.safe_dump(found))
        path = self.folder / "prometheus.yaml"
        path.write_text(yaml.safe_dump(config))
        log = self.folder / "prometheus.log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [
                    str(rendering.tool("prometheus")),
                    f"--config.file={path}",
                    f"--storage.tsdb.path={self.folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--enable-feature=exemplar-storage",
                ],
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        wait_until("Prometheus", self._ready, 120, log=log)

    def ask(self, expr: str, moment: float | None = None) -> list[dict[str, Any]]:
        """What an instant query gives."""
        asked = {"query": expr} | ({} if moment is None else {"time": str(moment)})
        answer = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=60)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def wait_for(self, what: str, probe: Callable[[], object]) -> None:
        """Until the probe is true; data appears a scrape or an evaluation later."""

        def look() -> Answer:
            found = probe()
            return Answer(bool(found), str(found)[:500])

        wait_until(what, look, 120, log=self.folder / "prometheus.log")

    def _ready(self) -> Answer:
        try:
            status = httpx.get(f"{self.url}/-/ready").status_code
        except httpx.HTTPError as error:
            return Answer(ready=False, state=type(error).__name__)
        return Answer(status == 200, f"status {status}")


def moment_with_all(stack: Stack, exprs: Sequence[str]) -> float:
    """A moment at which each of these has data, whatever scrape failed before or after."""
    found: list[float] = []

    def look() -> bool:
        moment = time.time()
        if all(stack.ask(expr, moment) for expr in exprs):
            found.append(moment)
        return bool(found)

    stack.wait_for(" and ".join(exprs), look)
    return found[0]


def rules(release: str, *, is_judged: bool = False) -> dict[str, Any]:
    """The rules that the chart renders for a release, each group evaluated with every scrape.

    But for the verdict, which counts by its own interval.
    """
    values: dict[str, Any] = {
        "fullnameOverride": release,
        "image": {"repository": "registry.example/model", "tag": "1"},
        "metrics": {"rules": {"enabled": True, "runbookUrl": "https://example.com/runbooks"}},
    }
    if is_judged:
        analysis = {"enabled": True, "prometheus": {"serverAddress": "http://prometheus:9090"}}
        values["rollout"] = {"strategy": "canary", "analysis": analysis}
    rendered = rendering.run(
        *(rendering.tool("helm4"), "template", release, rendering.CHART, "--namespace", NAMESPACE),
        *("--kube-version", rendering.KUBE_VERSION, "--values", "-"),
        *("--show-only", "templates/prometheusrule.yaml"),
        stdin=json.dumps(values),
    )
    assert rendered.code == 0, rendered.stderr
    groups = yaml.safe_load(rendered.stdout)["spec"]["groups"]
    often = [each if each["name"] == "verdict" else {**each, "interval": OFTEN} for each in groups]
    return {"groups": often}
