"""What `status` and `wait` make of a Rollout; its fields are those of Argo Rollouts' API."""

from __future__ import annotations

from typing import Any

import pytest

from modelctl.cluster import transition, workload

CANARY = {"steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]}
PROMOTED = {
    "phase": "Healthy",
    "currentStepIndex": 4,
    "currentPodHash": "new",
    "stableRS": "new",
    "observedGeneration": "3",
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "conditions": [
        {"type": "Completed", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z"}
    ],
}


def rollout(strategy: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """A Rollout of two pods, promoted unless the status says otherwise."""
    container = {"name": "model", "image": "a", "env": [{"name": "MODEL_DIGEST", "value": "b"}]}
    return {
        "kind": "Rollout",
        "metadata": {"name": "iris", "generation": 3},
        "spec": {
            "replicas": 2,
            "strategy": strategy or {"canary": CANARY},
            "template": {"spec": {"containers": [container]}},
        },
        "status": {**PROMOTED, **status},
    }


def read(**status: Any) -> workload.Workload:
    found = workload.read(rollout(**status), "dev-iris")
    assert found is not None
    return found


def test_promoted_version_is_served() -> None:
    pods = read()
    assert pods.is_rolled_out
    assert pods.served_digest == "b"
    assert pods.shortfall == ""
    assert pods.rolled_out_at == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "phase": "Paused",
                "message": "CanaryPauseStep",
                "currentStepIndex": 1,
                "stableRS": "old",
                "updatedReplicas": 1,
                "canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 80}}},
            },
            "canary Paused, step 1 of 4, 20 % of requests (CanaryPauseStep)",
        ),
        (
            {
                "phase": "Degraded",
                "message": "RolloutAborted: Rollout aborted update to revision 2",
                "stableRS": "old",
                "abort": True,
                "abortedAt": "2026-01-02T00:00:00Z",
                "updatedReplicas": 0,
            },
            "canary aborted at 2026-01-02T00:00:00Z: RolloutAborted: Rollout aborted update to "
            "revision 2",
        ),
        (
            {
                "phase": "Progressing",
                "stableRS": "old",
                "currentStepIndex": 2,
                "canary": {
                    "weights": {"canary": {"weight": 20}, "stable": {"weight": 80}},
                    "currentBackgroundAnalysisRunStatus": {"name": "a", "status": "Running"},
                    "currentStepAnalysisRunStatus": {
                        "name": "b",
                        "status": "Inconclusive",
                        "message": 'Metric "latency" assessed\nInconclusive',
                    },
                },
            },
            "canary Progressing, step 2 of 4, 20 % of requests, verdict Inconclusive: "
            'Metric "latency" assessed Inconclusive',
        ),
        ({"observedGeneration": "2"}, "the rollout has not begun"),
        # All pods are new and ready, and the last step is not done.
        ({"phase": "Progressing", "stableRS": "old"}, "canary Progressing, step 4 of 4"),
        # Pods of the version before still get requests.
        ({"replicas": 3, "readyReplicas": 3}, "3 of 3 pods ready, 1 with an earlier template"),
        ({"replicas": 2, "readyReplicas": 1}, "1 of 2 pods ready"),
    ],
)
def test_what_is_left_is_said_and_nothing_is_served_yet(status: dict[str, Any], said: str) -> None:
    pods = read(**status)
    assert not pods.is_rolled_out
    assert pods.served_digest == ""
    assert pods.shortfall == said


def test_old_pods_after_a_blue_green_switch_get_no_requests() -> None:
    found = workload.read(
        rollout({"blueGreen": {"activeService": "iris"}}, replicas=4, readyReplicas=4), "dev-iris"
    )
    assert found is not None
    assert found.is_rolled_out
    assert found.transition == transition.Transition(
        "blue-green", "Healthy", revision="new", stable="new"
    )


def test_message_of_a_controller_is_cut() -> None:
    found = rollout(phase="Degraded", message="a\n b" + "c" * 500)
    state = transition.read(found)
    assert state.message.startswith("a b")
    assert len(state.message) == transition.MAX_MESSAGE
