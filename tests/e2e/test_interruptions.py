"""What comes in between a canary: the autoscaler, and the death of the controller."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from sandbox import process
from sandbox.components import rollouts

from . import test_canary
from .loop import eventually, measured
from .progressive import Delivered, delivered, version, watching_weights
from .test_gateway import wait_answer
from .test_scaling import BEHAVIOR

if TYPE_CHECKING:
    from pathlib import Path

    from .loop import Loop
    from .test_gateway import Gateway

gateway = test_canary.gateway

URL = f"--url=http://{test_canary.HOST}/predict"
# Longer than the pause of the step in which the controller dies.
DEAD_SECONDS = 20
# A manual pause, so that the autoscaler has all the time that it takes.
HALF = {**test_canary.CANARY, "steps": {"10-half": {"weight": 50, "pause": "manual"}}}
ELASTIC = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 4,
        "cpuUtilization": 80,
        "behavior": BEHAVIOR,
    },
    "resources": {"requests": {"cpu": "100m"}},
}


def kill(loop: Loop) -> None:
    """End the controller as a node that fails would."""
    record = process.find_running(loop.layout, rollouts.NAME)
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)

    def probe() -> tuple[bool, Any]:
        left = process.find_running(loop.layout, rollouts.NAME)
        return left is None, left

    eventually("the controller is gone", probe, 10)


def test_a_controller_killed_in_mid_canary_goes_on_where_it_was(
    loop: Loop, controller: None, gateway: Gateway, sample: Path
) -> None:
    values = {"replicaCount": 2, "rollout": test_canary.CANARY, **test_canary.ROUTED}
    with delivered(loop, "orphaned", {**values, **version(100)}) as release:
        wait_answer(gateway, test_canary.HOST, "/ready")
        with watching_weights(release) as seen, loop.probing(gateway, sample, URL) as report:
            release.change(version(99))
            release.wait("the first step", "Paused", step=2)
            kill(loop)
            try:
                time.sleep(DEAD_SECONDS)
                alone = seen.values
            finally:
                process.ensure(loop.layout, rollouts.controller(loop.layout))
            measured("on after the controller is back", release.wait("promoted", "Healthy"), 40)
            seen.wait((0,))
            release.wait_synced()
    assert alone == [(0,), (20,)], "nobody changes weights meanwhile"
    assert seen.values == [(0,), (20,), (50,), (100,), (0,)], seen.states
    assert report["failed"] == 0, report


def test_the_autoscaler_scales_both_versions_of_a_canary(
    loop: Loop, controller: None, gateway: Gateway, sample: Path
) -> None:
    values = {"rollout": HALF, **ELASTIC, **test_canary.ROUTED, **version(100)}
    with delivered(loop, "elastic", values) as release:
        wait_answer(gateway, test_canary.HOST, "/ready")
        gentle = ("--connections=1", "--pause=0.2")
        with watching_weights(release) as seen:
            with loop.probing(gateway, sample, URL, *gentle) as before:
                release.change(version(99))
                release.wait("half of the requests", "Paused")
            with loop.probing(gateway, sample, URL) as heavy:
                seconds = eventually("scaled", lambda: scaled(release, 4), 400)
            with loop.probing(gateway, sample, URL, *gentle) as after:
                release.rollouts("promote")
                release.wait("promoted", "Healthy")
                seen.wait((0,))
        measured("from two pods to four in mid-canary", seconds, 60)
        assert seen.values == [(0,), (50,), (100,), (0,)], seen.states
        for report in (before, heavy, after):
            assert report["failed"] == 0, report


def scaled(release: Delivered, count: int) -> tuple[bool, Any]:
    """Has the stable version that many ready pods, and the canary half of them for its half?"""
    found = release.get("rollout")
    status = found["status"]
    pods = (found["spec"].get("replicas"), status.get("replicas"), status.get("readyReplicas"))
    updated = status.get("updatedReplicas", 0)
    return (*pods, updated) == (count, count + count // 2, count + count // 2, count // 2), (
        *pods,
        updated,
        release.get("hpa")["status"].get("currentMetrics"),
    )
