"""From a Deployment to a Rollout and back, and a blue-green switch: no request is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .loop import Loop, eventually, measured
from .progressive import NAMESPACE, Delivered, delivered, version

if TYPE_CHECKING:
    from pathlib import Path


def serves_again(release: Delivered, revision: str) -> tuple[bool, Any]:
    """Does the Service lead to that revision, and has the Rollout come to rest?"""
    active = release.get("service")["spec"]["selector"].get("rollouts-pod-template-hash")
    state = release.transition()
    return active == revision and state.is_promoted, (active, state)


def test_a_release_moves_to_a_rollout_and_back_without_losing_a_request(
    loop: Loop, controller: None, sample: Path
) -> None:
    values = {"replicaCount": 2, **version(100)}
    with delivered(loop, "moving", values) as release:
        assert release.kubectl("get", "rollout", "--output=name") == ""
        with loop.probing(release, sample) as report:
            release.change({"rollout": {"strategy": "canary"}})
            there = release.wait_synced()
            assert release.kubectl("get", "deployment", "--output=name") == ""
            release.change({"rollout": {"strategy": "blueGreen", "blueGreen": {"smoke": False}}})
            release.wait_synced()
            release.change({"rollout": {"strategy": "rolling"}})
            back = release.wait_synced()
            assert release.kubectl("get", "rollout", "--output=name") == ""
            selector = release.get("service")["spec"]["selector"]
        assert "rollouts-pod-template-hash" not in selector
        measured("from a Deployment to a Rollout", there, 60)
        measured("from a Rollout to a Deployment", back, 60)
        assert report["failed"] == 0, report


@pytest.mark.loop
def test_a_blue_green_switch_and_its_way_back_lose_no_request(
    loop: Loop, controller: None, sample: Path
) -> None:
    rollout = {"strategy": "blueGreen", "blueGreen": {"promotion": "manual"}}
    with delivered(loop, "switched", {"replicaCount": 2, "rollout": rollout}) as release:
        blue = release.transition().revision
        with loop.probing(release, sample) as report:
            release.change(version(99))
            waited = release.wait("tested, and waiting for a person", "Paused")
            runs = loop.get("analysisruns.argoproj.io", f"--namespace={NAMESPACE}")["items"]
            assert [run["status"]["phase"] for run in runs] == ["Successful"]
            active = release.get("service")["spec"]["selector"]["rollouts-pod-template-hash"]
            preview = release.get("service", f"{release.model}-preview")["spec"]["selector"]
            assert active == blue != preview["rollouts-pod-template-hash"]
            release.rollouts("promote")
            switched = release.wait("switched", "Healthy")
            assert release.transition().stable != blue
            release.wait_synced()
            release.change({"config": {"maxBatchRows": 100}})
            back = eventually("back", lambda: serves_again(release, blue), 60)
        measured("a new version is tested", waited, 60)
        measured("the switch", switched, 5)
        measured("the way back", back, 10)
        assert report["failed"] == 0, report
