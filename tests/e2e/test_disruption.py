"""What happens to a model's pods anyway, under load: new versions, lost pods, drained nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.layout import NODE_NAME

from .ad_hoc import AdHoc, AdHocReleases, is_ready
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def steady(ad_hoc: AdHocReleases) -> Iterator[AdHoc]:
    """A release of two pods."""
    with ad_hoc.installed("steady", {"replicaCount": 2}) as release:
        yield release


def settled(pods: dict[str, Any], without: set[str]) -> bool:
    """Two ready pods and no other, none of them one of those."""
    return len(pods) == 2 and all(map(is_ready, pods.values())) and not without & set(pods)


def evict(release: AdHoc, pod: str) -> str:
    """Ask the Eviction API, as a drain does; what it answers, a refusal too."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    words = ("create", f"--raw={path}", "--filename=-")
    return release.loop.kubectl(*words, stdin=json.dumps(body), check=False)


def wait_for_room(release: AdHoc) -> None:
    """Wait until the budget has seen that all pods are ready again."""

    def probe() -> tuple[bool, Any]:
        status = release.get("poddisruptionbudget")["status"]
        return status["disruptionsAllowed"] == 1, status

    eventually("the budget allows a disruption", probe, 30)


@pytest.mark.loop
def test_rolling_update_loses_no_request(loop: Loop, steady: AdHoc, sample: Path) -> None:
    before = set(steady.pods())
    with loop.probing(steady, sample) as report:
        seconds = steady.upgrade({"config": {"maxBatchRows": 99}})
        # Until the old ones are gone: a request on its way to one of them counts too.
        seconds += steady.wait_pods("the old pods gone", lambda pods: settled(pods, before))
    measured("rolling update of two pods under load", seconds, 30)
    assert report["failed"] == 0, report
    assert report["requests"] > 100, report


def test_a_deleted_pod_loses_no_request(loop: Loop, steady: AdHoc, sample: Path) -> None:
    victim = steady.ready_pods()[0]
    with loop.probing(steady, sample) as report:
        steady.kubectl("delete", "pod", victim, "--wait=false")
        seconds = steady.wait_pods("a new pod", lambda pods: settled(pods, {victim}))
    measured("a deleted pod is replaced and gone, under load", seconds, 20)
    assert report["failed"] == 0, report


def test_evictions_keep_to_the_budget_and_lose_no_request(
    loop: Loop, steady: AdHoc, sample: Path
) -> None:
    first, second = steady.ready_pods()
    wait_for_room(steady)
    with loop.probing(steady, sample) as report:
        assert '"status":"Success"' in evict(steady, first)
        refusal = evict(steady, second)
        seconds = steady.wait_pods("a new pod", lambda pods: settled(pods, {first}))
        wait_for_room(steady)
        assert '"status":"Success"' in evict(steady, second)
        seconds += steady.wait_pods("another", lambda pods: settled(pods, {first, second}))
    # TooManyRequests is status 429: a drain tries again until it is its turn.
    assert "(TooManyRequests)" in refusal, refusal
    assert "would violate the pod's disruption budget" in refusal
    measured("two pods evicted one after the other, under load", seconds, 40)
    assert report["failed"] == 0, report


def test_a_single_pod_keeps_no_node_from_being_drained(loop: Loop, steady: AdHoc) -> None:
    steady.upgrade({"replicaCount": 1})
    budget = ("get", "poddisruptionbudget", "steady", "--ignore-not-found", "--output=name")
    assert steady.kubectl(*budget) == ""
    steady.wait_pods("one pod", lambda pods: len(pods) == 1)
    (only,) = steady.pods()
    try:
        loop.kubectl(
            *("drain", NODE_NAME, "--pod-selector=app.kubernetes.io/instance=steady"),
            *("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=50s"),
        )
        assert only not in steady.pods()
    finally:
        loop.kubectl("uncordon", NODE_NAME)
    steady.wait_ready()
