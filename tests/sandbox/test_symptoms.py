"""What pods and events say, as lines for the error of a failed wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.symptoms import container_lines, event_lines, pod_lines, termination_reason

REFUSAL = json.dumps(
    {
        "event": "bundle_refused",
        "what": "bundle at /model is not the one that was asked for",
        "expected": "sha256:1",
        "found": "sha256:2",
        "fix": "correct the digest in git",
    }
)
REFUSED = (
    "refused: bundle at /model is not the one that was asked for; expected sha256:1; "
    "found sha256:2; correct the digest in git"
)


def pod(name: str, instance: str, *statuses: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/instance": instance}},
        "status": {"containerStatuses": list(statuses), **status},
    }


def test_a_refusing_container_gives_its_refusal_and_that_it_is_restarted() -> None:
    status = {
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": REFUSAL}},
    }
    assert container_lines(status) == [
        "waiting: CrashLoopBackOff back-off 10s",
        f"exited with code 3 (Error): {REFUSED}",
    ]


def test_a_ready_container_has_nothing_to_say() -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "long ago"}}
    assert container_lines({"ready": True, "lastState": ended}) == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", ""),
        ("first\n\nlast\n", "last"),
        (f"warning\n{REFUSAL}\ntrailing\n", REFUSED),
        ('{"event": "started"}\n', '{"event": "started"}'),
        ("[1, 2]", "[1, 2]"),
    ],
    ids=["nothing", "last-line", "refusal-before-noise", "other-event", "no-object"],
)
def test_termination_reason(message: str, words: str) -> None:
    assert termination_reason(message) == words


def test_pod_lines_are_of_the_model_only() -> None:
    waiting = {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    pods = [pod("iris-1", "iris", waiting), pod("penguins-1", "penguins", waiting)]
    assert pod_lines(pods, "iris") == ["iris-1 waiting: ImagePullBackOff"]
    assert len(pod_lines(pods)) == 2


def test_a_pod_without_a_place_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no memory"}
    found = pod_lines([pod("iris-1", "iris", conditions=[condition])], "iris")
    assert found == ["iris-1 not scheduled: 0/1 nodes: no memory"]


def event(name: str, message: str, at: str, kind: str = "Warning") -> dict[str, Any]:
    return {
        "type": kind,
        "reason": "Failed",
        "message": message,
        "lastTimestamp": at,
        "involvedObject": {"kind": "Pod", "name": name},
    }


def test_events_are_warnings_of_the_model_oldest_first_each_once() -> None:
    events = [
        event("iris-1", "second", "2026-01-01T00:00:02Z"),
        event("iris-1", "first", "2026-01-01T00:00:01Z"),
        event("iris-1", "second", "2026-01-01T00:00:03Z"),
        event("iris-1", "scheduled", "2026-01-01T00:00:00Z", kind="Normal"),
        event("penguins-1", "other", "2026-01-01T00:00:00Z"),
    ]
    assert event_lines(events, "iris") == [
        "Failed Pod/iris-1: first",
        "Failed Pod/iris-1: second",
    ]
