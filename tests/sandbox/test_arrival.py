"""When a rollout counts as given up: that of exactly this version, and by Kubernetes itself."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.arrival import abort_reason, rollout_failure
from sandbox.environments import Release

DIGEST = "sha256:" + "a" * 64
RELEASE = Release("dev", "ml-dev", "iris", "1.0.1", "sha256:b", f"host:5000/iris:1.0.1@{DIGEST}")


TIMED_OUT = 'ReplicaSet "iris-66" has timed out progressing.'


def revision(number: int) -> dict[str, Any]:
    """What both of its objects have of a revision."""
    return {"annotations": {"deployment.kubernetes.io/revision": str(number)}}


def replica_set(name: str) -> dict[str, Any]:
    """The one that the message names."""
    assert name == "iris-66"
    return {"metadata": revision(7)}


def deployment(**differs: Any) -> dict[str, Any]:
    """A Deployment whose rollout has made no progress for too long."""
    words: dict[str, Any] = {
        "seen": 2,
        "image": f"host:5000/iris:1.0.1@{DIGEST}",
        "reason": "ProgressDeadlineExceeded",
        **differs,
    }
    condition = {"type": "Progressing", "reason": words["reason"], "message": TIMED_OUT}
    return {
        "metadata": {"generation": 2, **revision(words.get("revision", 7))},
        "spec": {"template": {"spec": {"containers": [{"image": words["image"]}]}}},
        "status": {"observedGeneration": words["seen"], "conditions": [condition]},
    }


def test_a_rollout_without_progress_is_given_up() -> None:
    assert rollout_failure(deployment(), RELEASE, replica_set) == TIMED_OUT


@pytest.mark.parametrize(
    "found",
    [
        deployment(reason="ReplicaSetUpdated"),
        # What was said of the version before.
        deployment(image="host:5000/iris@sha256:" + "c" * 64),
        deployment(seen=1),
        # Seen are the new template and, for a moment, the old ReplicaSet.
        deployment(revision=8),
        {},
    ],
    ids=["under way", "another image", "not looked at yet", "way back", "no deployment"],
)
def test_any_other_goes_on(found: dict[str, Any]) -> None:
    assert rollout_failure(found, RELEASE, replica_set) == ""


ABORTED = {"abort": True, "message": "RolloutAborted: latency", "observedGeneration": "2"}


@pytest.mark.parametrize(
    ("status", "image", "reason"),
    [
        (ABORTED, RELEASE.image, "RolloutAborted: latency"),
        ({**ABORTED, "abort": False}, RELEASE.image, ""),
        ({**ABORTED, "observedGeneration": "1"}, RELEASE.image, ""),
        (ABORTED, "registry.example/iris@sha256:other", ""),
        ({}, RELEASE.image, ""),
    ],
    ids=["aborted", "not aborted", "not seen yet", "another version", "new"],
)
def test_a_canary_is_aborted_when_the_controller_says_so_of_this_version(
    status: dict[str, Any], image: str, reason: str
) -> None:
    template = {"spec": {"containers": [{"image": image}]}}
    found = {"metadata": {"generation": 2}, "spec": {"template": template}, "status": status}
    assert abort_reason(found, RELEASE) == reason
