"""The autoscaler at work: real load, real metrics, more pods and fewer, no lost request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ad_hoc import AdHoc, AdHocReleases
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from pathlib import Path


# Both ways at once: by default Kubernetes waits five minutes before it takes a pod away.
BEHAVIOR = {
    "scaleUp": {"stabilizationWindowSeconds": 0},
    "scaleDown": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 5}],
    },
}
ELASTIC = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": 3,
        "cpuUtilization": 80,
        "behavior": BEHAVIOR,
    },
    "resources": {"requests": {"cpu": "100m"}},
}
# A few requests a second: far below what one pod is for, enough to see one that gets lost.
GENTLE = ("--connections=2", "--pause=0.2")


def wait_for_pods(release: AdHoc, count: int) -> float:
    """Wait until that many pods are ready, there is no other, and the autoscaler wants no more."""

    def probe() -> tuple[bool, Any]:
        status = release.get("hpa")["status"]
        pods, ready = release.pods(), release.ready_pods()
        state = (len(pods), len(ready), status.get("desiredReplicas"), status.get("currentMetrics"))
        return state[:3] == (count, count, count), state

    return eventually(f"{count} pods", probe, 400)


def test_autoscaler_goes_from_one_pod_to_three_and_back_without_losing_a_request(
    loop: Loop, ad_hoc: AdHocReleases, sample: Path
) -> None:
    with ad_hoc.installed("elastic", ELASTIC) as release:
        wait_for_pods(release, 1)
        with loop.probing(release, sample) as heavy:
            measured("from one pod to three under load", wait_for_pods(release, 3), 60)
        with loop.probing(release, sample, *GENTLE) as gentle:
            measured("from three pods back to one", wait_for_pods(release, 1), 60)
    assert heavy["failed"] == 0, heavy
    assert gentle["failed"] == 0, gentle
