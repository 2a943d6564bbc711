"""What is shown while Argo CD works, and what a failed wait says."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import argocd, rollout, symptoms
from sandbox.environments import Environment, Release
from sandbox.errors import WaitError
from sandbox.gitops import GitOps
from sandbox.layout import Layout
from sandbox.rollout import DegradedTimer, RolloutDisplay, expectations, pending_line
from sandbox.sync import ApplicationState, Expected

READY = ApplicationState("dev-iris", True, "Synced, Healthy")
WAITING = ApplicationState("dev-penguins", False, "OutOfSync, Missing")


def test_pending_line_counts_and_names_the_first_that_is_not_ready() -> None:
    assert pending_line([READY, WAITING]) == "  1 of 2 ready; dev-penguins: OutOfSync, Missing"


def test_pending_line_fits_into_100_columns() -> None:
    line = pending_line([ApplicationState("dev-iris", False, "x" * 300)])
    assert len(line) == 100
    assert line.endswith("...")


def test_pending_line_is_empty_when_all_are_ready() -> None:
    assert pending_line([READY]) == ""


def test_display_announces_each_application_once_even_when_a_later_commit_is_awaited() -> None:
    written: list[str] = []
    display = RolloutDisplay(written.append, is_tty=False)
    back = ApplicationState("dev-iris", False, "Synced, Healthy: at 123456789")
    for seconds, states in enumerate([[WAITING], [READY], [back], [back], [READY]]):
        display.show(states, float(seconds))
    assert "".join(written).splitlines() == [
        "  0 of 1 ready; dev-penguins: OutOfSync, Missing",
        "  dev-iris                 Synced, Healthy        1 s",
        "  0 of 1 ready; dev-iris: Synced, Healthy: at 123456789",
    ]


def test_display_keeps_one_status_line_on_a_terminal() -> None:
    written: list[str] = []
    display = RolloutDisplay(written.append, is_tty=True)
    display.show([WAITING], 0)
    display.show([WAITING, READY], 1)
    display.close()
    text = "".join(written)
    assert text.count("\n") == 1
    assert text.endswith("\r\x1b[2K")


def test_the_timer_expires_for_what_stays_degraded_without_interruption() -> None:
    degraded = ApplicationState("dev-iris", False, "Synced, Degraded", is_degraded=True)
    timer = DegradedTimer(60, 240)
    assert timer.expired([degraded, WAITING], 0) == []
    assert timer.expired([degraded, WAITING], 59) == []
    assert timer.expired([degraded, WAITING], 60) == [degraded]
    assert timer.expired([READY, WAITING], 61) == []
    assert timer.expired([degraded], 62) == []
    # What generates the others asks again by itself, later than the others.
    root = ApplicationState("root", False, "Synced, Degraded", is_degraded=True)
    assert timer.expired([root], 100) == []
    assert timer.expired([root], 339) == []
    assert timer.expired([root], 340) == [root]


def test_expectations_are_root_namespaces_baselines_and_releases() -> None:
    environments = [Environment("dev", "ml-dev", True), Environment("prod-eu", "ml-eu", False)]
    release = Release("prod-eu", "ml-eu", "iris", "1.0.0", "sha256:1", "r/iris:1@sha256:2")
    assert expectations(environments, [release]) == [
        Expected("root"),
        Expected("dev-namespace", "ml-dev"),
        Expected("dev-baseline", "ml-dev"),
        Expected("prod-eu-namespace", "ml-eu"),
        Expected("prod-eu-baseline", "ml-eu"),
        Expected("prod-eu-iris", "ml-eu", "iris"),
    ]
    assert expectations(environments[:1], [release]) == [
        Expected("root"),
        Expected("dev-namespace", "ml-dev"),
        Expected("dev-baseline", "ml-dev"),
    ]


def test_a_failed_wait_says_what_the_pods_of_the_pending_release_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    class Pushed(GitOps):
        def pushed(self) -> str:
            return "1" * 40

    def describe(_: Layout, namespace: str, model: str = "") -> str:
        return f"{namespace}: {model} refused"

    monkeypatch.setattr(argocd, "applications", lambda _: {})
    monkeypatch.setattr(symptoms, "describe", describe)
    expected = [Expected("root"), Expected("dev-iris", "ml-dev", "iris")]
    gitops = Pushed(tmp_path, tmp_path, tmp_path, tmp_path)
    with pytest.raises(WaitError) as caught:
        rollout.wait_for(Layout(tmp_path), gitops, expected, deadline_seconds=0)
    assert caught.value.found == "0 of 2 ready; root: not created yet"
    assert caught.value.details.splitlines() == [
        "root: not created yet",
        "dev-iris: not created yet",
        "ml-dev: iris refused",
    ]


def test_a_wait_ends_early_when_something_stays_degraded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    state = ApplicationState("dev-iris", False, "Synced, Degraded: refused", is_degraded=True)
    monkeypatch.setattr(rollout, "read_states", lambda *_: [state])
    monkeypatch.setattr(rollout, "DEGRADED_SECONDS", 0)
    monkeypatch.setattr(symptoms, "describe", lambda *_: "ml-dev: the pod's last words")
    gitops = GitOps(tmp_path, tmp_path, tmp_path, tmp_path)
    with pytest.raises(WaitError) as caught:
        rollout.wait_for(Layout(tmp_path), gitops, [Expected("dev-iris", "ml-dev", "iris")])
    assert caught.value.what == "dev-iris stays Degraded"
    assert caught.value.details.splitlines() == [
        "dev-iris: Synced, Degraded: refused",
        "ml-dev: the pod's last words",
    ]
