"""Resources of a running pod changed in place: the kernel's limits move, the model serves on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .ad_hoc import AdHoc, AdHocReleases
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def resizable(ad_hoc: AdHocReleases) -> Iterator[AdHoc]:
    """A release that takes CPU as it comes and restarts for memory."""
    policy = {"cpu": "NotRequired", "memory": "RestartContainer"}
    with ad_hoc.installed("resizable", {"resizePolicy": policy}) as release:
        yield release


def resize(release: AdHoc, pod: str, resources: dict[str, Any]) -> float:
    """Change the resources of the model's container in place; returns seconds until it is so."""
    patch = {"spec": {"containers": [{"name": "model", "resources": resources}]}}
    release.kubectl("patch", "pod", pod, "--subresource=resize", f"--patch={json.dumps(patch)}")

    def probe() -> tuple[bool, Any]:
        status = release.pods()[pod]["status"]
        # What the runtime has set, not what the API was asked for.
        actual = container(release, pod).get("resources", {})
        done = all(
            actual.get(kind, {}).get(name) == value
            for kind, wanted in resources.items()
            for name, value in wanted.items()
        )
        pending = [item for item in status["conditions"] if item["type"].startswith("PodResize")]
        return done and not pending, (actual, pending)

    return eventually(f"the resources of {pod}", probe, 90)


def container(release: AdHoc, pod: str) -> dict[str, Any]:
    """The state of the model's container."""
    (status,) = release.pods()[pod]["status"]["containerStatuses"]
    state: dict[str, Any] = status
    return state


def cpu_share(release: AdHoc, pod: str) -> int:
    """What the container gets of a busy CPU: the shares of cgroup v1, the weight of v2."""
    uid = release.pods()[pod]["metadata"]["uid"]
    identity = container(release, pod)["containerID"].removeprefix("containerd://")
    folders = Path("/sys/fs/cgroup").glob(f"**/pod{uid}/{identity}")
    files = [folder / name for folder in folders for name in ("cpu.shares", "cpu.weight")]
    (share,) = {int(file.read_text()) for file in files if file.exists()}
    return share


def test_cpu_changes_in_place_without_a_restart(loop: Loop, resizable: AdHoc, sample: Path) -> None:
    (pod,) = resizable.pods()
    before, share = container(resizable, pod), cpu_share(resizable, pod)
    with loop.probing(resizable, sample) as report:
        seconds = resize(resizable, pod, {"requests": {"cpu": "150m"}})
    after = container(resizable, pod)
    measured("CPU changed in place, under load", seconds, 10)
    assert before["resources"]["requests"]["cpu"] == "50m"
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert cpu_share(resizable, pod) > share
    assert report["failed"] == 0, report


def test_memory_restarts_the_container_where_the_policy_says_so(resizable: AdHoc) -> None:
    (pod,) = resizable.pods()
    before = container(resizable, pod)
    memory = {"memory": "224Mi"}
    measured(
        "memory changed in place",
        resize(resizable, pod, {"requests": memory, "limits": memory}),
        20,
    )
    resizable.wait_ready()
    after = container(resizable, pod)
    assert after["containerID"] != before["containerID"]
    assert after["restartCount"] == 1
