"""Canary and blue-green under Argo CD, behind Traefik: git has the first weights only."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from modelctl.cluster import transition, workload
from sandbox.environments import read_releases
from tests import rendering

from . import traefik
from .ad_hoc import applied
from .loop import Loop, eventually, measured
from .progressive import COMPARE, Delivered, delivered, version, watching_weights
from .test_gateway import Gateway, wait_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "canary.example"
# The other comparison: with it the route is OutOfSync for ever, and self-heal never rests.
STRUCTURED = {COMPARE: "ServerSideDiff=false"}
ROUTED: dict[str, Any] = {
    "httpRoute": {
        "enabled": True,
        "parents": {traefik.GATEWAY: {"namespace": traefik.NAMESPACE}},
        "hostnames": [HOST],
    },
    "networkPolicy": {"from": {"gateway": {"namespaceSelector": {}}}},
}
CANARY = {
    "strategy": "canary",
    "router": "traefik",
    "abortScaleDownDelaySeconds": 5,
    "steps": {
        "10-few": {"weight": 20, "pods": 1, "pause": "15s"},
        "20-half": {"weight": 50, "pause": "15s"},
    },
    "testers": {"header": "X-Canary"},
}


@pytest.fixture(scope="module")
def gateway(loop: Loop) -> Iterator[Gateway]:
    """Traefik with a Gateway, serving."""
    image = next(entry.image for entry in read_releases(loop.found) if entry.model == "iris")
    there = {item["metadata"]["name"] for item in loop.get("crd")["items"]}
    missing = [part for part in traefik.definitions() if part["metadata"]["name"] not in there]
    with ExitStack() as stack:
        stack.enter_context(applied(loop, missing))
        loop.wait_defined(traefik.definitions())
        stack.enter_context(applied(loop, traefik.objects(rendering.tool("traefik"), image)))
        here = f"--namespace={traefik.NAMESPACE}"
        loop.kubectl("wait", "--for=condition=Ready", "--timeout=50s", "pod/traefik", here)
        service = loop.get("service", traefik.NAME, here)
        yield Gateway(loop, service["spec"]["clusterIP"])


def drift(release: Delivered) -> None:
    """Change by hand what git says, and wait until Argo CD has healed it."""
    release.kubectl("label", "service", release.model, "helm.sh/chart=by-hand", "--overwrite")

    def probe() -> tuple[bool, Any]:
        label = release.get("service")["metadata"]["labels"]["helm.sh/chart"]
        return label != "by-hand", label

    eventually("healed", probe, 30)


def without_updated(release: Delivered) -> tuple[bool, Any]:
    """Has the new version no pod any more?"""
    left = release.get("rollout")["status"].get("updatedReplicas", 0)
    return left == 0, left


@pytest.mark.parametrize("annotations", [{}, STRUCTURED], ids=["server-side", "structured"])
def test_syncs_in_mid_canary_leave_the_weights_to_the_controller(
    loop: Loop,
    controller: None,
    gateway: Gateway,
    sample: Path,
    annotations: dict[str, str],
) -> None:
    values = {"replicaCount": 2, "rollout": CANARY, **ROUTED, **version(100)}
    sync = "" if annotations else "Synced"
    with delivered(loop, "canary", values, annotations, sync) as release:
        wait_answer(gateway, HOST, "/ready")
        url = f"--url=http://{HOST}/predict"
        with watching_weights(release) as seen, loop.probing(gateway, sample, url) as report:
            release.change(version(99))
            release.wait("the first step", "Paused", step=2)
            # Self-heal of another object of the release, and a sync of new values.
            drift(release)
            release.change({"service": {"annotations": {"note": "in mid-canary"}}})
            release.wait("the second step", "Paused", step=5)
            drift(release)
            release.wait("promoted", "Healthy")
            seen.wait((0,))
            if sync:
                release.wait_synced()
        assert seen.values == [(0,), (20,), (50,), (100,), (0,)], seen.states
        assert report["failed"] == 0, report
        assert release.get("service")["metadata"]["annotations"]["note"] == "in mid-canary"


@pytest.mark.loop
def test_an_aborted_canary_is_said_and_loses_no_request(
    loop: Loop, controller: None, gateway: Gateway, sample: Path
) -> None:
    values = {"replicaCount": 2, "rollout": CANARY, **ROUTED, **version(100)}
    with delivered(loop, "aborted", values) as release:
        wait_answer(gateway, HOST, "/ready")
        url = f"--url=http://{HOST}/predict"
        with watching_weights(release) as seen, loop.probing(gateway, sample, url) as report:
            release.change(version(99))
            release.wait("the first step", "Paused", step=2)
            paused = release.transition()
            tester = gateway.ask("GET", HOST, "/ready")
            release.rollouts("abort")
            release.wait("aborted", "Degraded")
            # The pods of the canary leave; Traefik must go on with a Service that has none.
            eventually("the canary has no pod", lambda: without_updated(release), 60)
            seen.wait((0,))
        found = release.get("rollout")
        state = transition.read(found)
        assert str(paused) == "canary Paused, step 2 of 6, 20 % of requests (CanaryPauseStep)"
        assert state.aborted_at
        assert not state.is_promoted
        pods = workload.read(found, release.application)
        assert pods is not None
        assert not pods.is_rolled_out
        assert "canary aborted at " in pods.shortfall
        assert tester.status == 200
        assert seen.values == [(0,), (20,), (0,)], seen.states
        assert report["failed"] == 0, report
        # Git goes back: nothing to wait for, the old pods are still there.
        release.change(version(100))
        measured("back to the version before", release.wait("healthy", "Healthy"), 10)
