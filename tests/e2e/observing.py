"""A Prometheus for one test, beside that of `make observe`: rules in minutes, not in days.

The rules are those that the chart renders for the test's release; for alerts their durations are
divided, so an hour is two minutes and six hours are twelve. Asserts nothing.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox import kube, observe, process
from sandbox.component import Component
from sandbox.components.prometheus import prometheus
from sandbox.errors import SandboxError
from sandbox.layout import NODE_IP
from sandbox.probes import Tcp
from tests.paths import ROOT

from . import aggregated
from .ad_hoc import applied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ad_hoc import AdHoc
    from .loop import Loop

FASTER = 30
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NAME, PORT = "prometheus-e2e", 9095
URL = f"http://{NODE_IP}:{PORT}"
ADAPTER, ADAPTER_PORT = "prometheus-adapter", 10445
CONFIG = ROOT / "deploy" / "monitoring" / "prometheus-adapter.yaml"
API = "custom.metrics.k8s.io"


def shortened(node: Any) -> Any:
    """The same rules with every duration divided: ranges, offsets, `for`, the interval."""
    if isinstance(node, list):
        return [shortened(part) for part in node]
    if isinstance(node, dict):
        return {key: _shorter(key, value) for key, value in node.items()}
    return node


def _shorter(key: str, value: Any) -> Any:
    if key in ("for", "interval"):
        return duration(value)
    if key == "expr":
        ranges = re.sub(r"\[(\d+[smhd])\]", lambda found: f"[{duration(found[1])}]", value)
        return re.sub(r"offset (\d+[smhd])", lambda found: f"offset {duration(found[1])}", ranges)
    return shortened(value)


def duration(text: str) -> str:
    """A duration divided, at least a second."""
    seconds = int(text[:-1]) * SECONDS[text[-1]]
    return f"{max(1, seconds // FASTER)}s"


@contextmanager
def watching(loop: Loop, releases: list[AdHoc], *settings: str) -> Iterator[str]:
    """Prometheus watches releases with their shortened rules; its address in the namespace."""
    layout = loop.layout
    values = [ROOT / "charts/ml-model/tests/values/minimal.yaml"]
    quick = ("metrics.interval=3s", *settings)
    manifests = [
        manifest
        for release in releases
        for manifest in observe.render_values(
            layout, release.model, release.namespace, values, *quick
        )
    ]
    plan = observe.make_plan(manifests, layout.inner_kubeconfig)
    with running(loop, replace(plan, groups=shortened(plan.groups))):
        yield URL


@contextmanager
def running(loop: Loop, plan: observe.PrometheusPlan) -> Iterator[None]:
    """Prometheus follows a plan; it is at `URL` in the namespace."""
    layout = loop.layout
    component = prometheus(layout, plan.scrapes, plan.groups, name=NAME, port=PORT)
    # What an earlier run saw is no answer to this one's questions.
    shutil.rmtree(layout.state / NAME, ignore_errors=True)
    try:
        process.ensure(layout, component)
        yield
    finally:
        process.stop(layout, NAME)
        shutil.rmtree(layout.state / NAME, ignore_errors=True)


@contextmanager
def adapting(loop: Loop, prometheus_url: str) -> Iterator[None]:
    """prometheus-adapter serves the autoscalers what that Prometheus knows."""
    layout = loop.layout
    kubeconfig = str(layout.inner_kubeconfig)
    component = Component(
        name=ADAPTER,
        argv=(
            layout.tool(ADAPTER),
            f"--config={CONFIG}",
            f"--prometheus-url={prometheus_url}",
            *aggregated.kubeconfigs(kubeconfig),
            f"--bind-address={NODE_IP}",
            f"--secure-port={ADAPTER_PORT}",
            f"--cert-dir={layout.state / ADAPTER}",
            "--metrics-relist-interval=5s",
            "--metrics-max-age=60s",
        ),
        ready=Tcp(NODE_IP, ADAPTER_PORT),
    )
    try:
        process.ensure(layout, component)
        with applied(loop, aggregated.objects(ADAPTER, ADAPTER_PORT, API)):
            yield
    finally:
        process.stop(layout, ADAPTER)


def firing(url: str, release: AdHoc) -> dict[tuple[str, str], dict[str, str]]:
    """The alerts of a release that fire now: name and severity -> labels."""
    query = f'ALERTS{{alertstate="firing",release="{release.model}"}}'
    series = observe.query_prometheus(url, query, in_netns=True)
    found = [one["metric"] for one in series]
    return {(labels["alertname"], labels["severity"]): labels for labels in found}


def custom_metric(loop: Loop, namespace: str) -> dict[str, Any] | None:
    """What the custom metrics API says of the namespace's pods; None while nobody serves it."""
    path = f"/apis/{API}/v1beta1/namespaces/{namespace}/pods/*/requests_per_second"
    try:
        return kube.get(loop.layout, path)
    except SandboxError:
        # The API server has heard of the adapter and does not reach it yet.
        return None
