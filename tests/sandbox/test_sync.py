"""Whether an Application runs what git says, from the object that the API returns."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.sync import Expected, application_state

HEAD = "1" * 40
OLD = "2" * 40


def application(
    sync: str = "Synced",
    health: str = "Healthy",
    revision: str = HEAD,
    **status: Any,
) -> dict[str, Any]:
    return {
        "status": {
            "sync": {"status": sync, "revision": revision},
            "health": {"status": health},
            **status,
        }
    }


DEPLOYMENT = {
    "kind": "Deployment",
    "name": "iris",
    "status": "Synced",
    "health": {"status": "Progressing", "message": "0 of 1 updated replicas are available"},
}
SERVICE = {"kind": "Service", "name": "iris", "status": "OutOfSync"}


@pytest.mark.parametrize(
    ("found", "is_ready", "summary"),
    [
        (None, False, "not created yet"),
        ({}, False, "Unknown, Unknown: at no commit"),
        (application(), True, "Synced, Healthy"),
        (application(revision=OLD), False, "Synced, Healthy: at 222222222"),
        (application(health="Degraded"), False, "Synced, Degraded"),
        (
            application(health="Progressing", resources=[DEPLOYMENT]),
            False,
            "Synced, Progressing: "
            "Deployment/iris Progressing (0 of 1 updated replicas are available)",
        ),
        (
            application(sync="OutOfSync", resources=[SERVICE]),
            False,
            "OutOfSync, Healthy: Service/iris OutOfSync",
        ),
        (
            application(conditions=[{"type": "ComparisonError", "message": "no\n  such chart"}]),
            False,
            "Synced, Healthy: ComparisonError: no such chart",
        ),
        (
            application(conditions=[{"type": "OrphanedResourceWarning", "message": "2 found"}]),
            True,
            "Synced, Healthy",
        ),
        (
            application(sync="OutOfSync", operationState={"phase": "Failed", "message": "denied"}),
            False,
            "OutOfSync, Healthy: sync failed: denied",
        ),
        (
            application(operationState={"phase": "Failed", "message": "denied"}, revision=OLD),
            False,
            "Synced, Healthy: sync failed: denied",
        ),
    ],
    ids=[
        *("absent", "new", "done", "older-commit", "degraded", "progressing", "out-of-sync"),
        *("cannot-render", "warning-only", "sync-failed", "sync-failed-before"),
    ],
)
def test_application_state(found: dict[str, Any] | None, is_ready: bool, summary: str) -> None:
    state = application_state(Expected("dev-iris", "ml-dev", "iris"), found, HEAD)
    assert (state.is_ready, state.summary) == (is_ready, summary)


def test_a_page_of_output_is_cut_to_its_end() -> None:
    found = application(conditions=[{"type": "SyncError", "message": "x" * 1000 + " the cause"}])
    state = application_state(Expected("dev-iris"), found, HEAD)
    assert state.summary.endswith("x the cause")
    assert len(state.summary) < 400


def test_only_a_health_lost_at_the_expected_commit_counts_as_degraded() -> None:
    expected = Expected("dev-iris")
    for status, is_degraded in (
        (application(health="Degraded"), True),
        (application(health="Degraded", revision=OLD), False),
        (application(health="Progressing"), False),
    ):
        assert application_state(expected, status, HEAD).is_degraded is is_degraded
