"""`modelctl status` and `wait` on the real Argo CD: pushed settings, and no controller."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from sandbox import process
from sandbox.bundles import run_modelctl
from sandbox.components import argocd
from sandbox.errors import CommandError

from .loop import Loop, eventually, measured
from .test_loop import post, set_value
from .test_promises import settings_of

CONTROLLER = "argocd-controller"
# What `status` goes by; the sandbox sets its polling by a flag, which nobody can read there.
POLLING = {"data": {"timeout.reconciliation": "5s", "timeout.reconciliation.jitter": "0s"}}


def modelctl(loop: Loop, *words: str) -> str:
    """What it prints in the repository that Argo CD follows."""
    return run_modelctl(loop.layout, loop.worktree, *words).stdout


def shown(loop: Loop, name: str) -> dict[str, Any]:
    """The release in `status --output json`."""
    found = json.loads(modelctl(loop, "status", "--output", "json"))["releases"]
    release: dict[str, Any] = next(each for each in found if each["name"] == name)
    return release


@pytest.mark.loop
def test_wait_ends_when_the_pushed_setting_is_served(loop: Loop) -> None:
    """The version was the same all the time, so that a look at it alone ended at once."""
    path = settings_of("dev-iris")
    url = f"{loop.url(loop.release('dev-iris'))}/predict/batch"
    rows = json.loads((loop.worktree / "build/bundles/iris/sample.json").read_text())["rows"]
    nine = {"instances": (rows * 9)[:9]}
    assert shown(loop, "dev-iris")["current"] is True
    assert post(url, nine).status == 200
    with loop.change(
        lambda: set_value(loop.worktree / path, "config", "maxBatchRows", 8), "Smaller", path
    ):
        started = time.monotonic()
        modelctl(loop, "wait", "iris", "--env", "dev", "--seconds", "120")
        measured("a pushed setting is waited for", time.monotonic() - started, 30)
        words = ("configmap", "iris", "--namespace=ml-dev")
        assert loop.get(*words)["data"]["MAX_BATCH_ROWS"] == "8"
        for _ in range(20):
            assert post(url, nine).status in (413, 422), "an earlier pod still serves"
        assert shown(loop, "dev-iris")["current"] is True


def test_what_is_not_pushed_is_refused_at_once(loop: Loop) -> None:
    path = loop.worktree / settings_of("dev-iris")
    before = path.read_text()
    path.write_text(f"{before}# not committed\n")
    try:
        started = time.monotonic()
        with pytest.raises(CommandError, match="has uncommitted changes"):
            modelctl(loop, "wait", "iris", "--env", "dev")
        assert time.monotonic() - started < 60
    finally:
        path.write_text(before)


def test_without_a_controller_nothing_stays_synced_and_healthy(loop: Loop) -> None:
    component = next(c for c in argocd.components(loop.layout) if c.name == CONTROLLER)
    config = ("configmap", "argocd-cm", "--namespace=argocd", "--type=merge")
    path, commit = settings_of("dev-iris"), ""
    loop.kubectl("patch", *config, f"--patch={json.dumps(POLLING)}")
    try:
        process.stop(loop.layout, component.name)
        try:
            set_value(loop.worktree / path, "config", "maxBatchRows", 8)
            loop.push("Smaller batches that nobody applies", path)
            commit = loop.gitops.head()
            release = shown(loop, "dev-iris")
            assert release["current"] is False
            assert any(commit[:9] in remark for remark in release["remarks"]), release["remarks"]
            with pytest.raises(CommandError, match="is not synced yet"):
                modelctl(loop, "wait", "iris", "--env", "dev", "--seconds", "5")

            def stale() -> tuple[bool, Any]:
                live = shown(loop, "staging-iris")["live"]
                return (live["sync"], live["health"]) == ("Unknown", "Unknown"), live

            eventually("Argo CD's word is out of date", stale, 120)
            assert re.search(r"Argo CD last looked \d+ min ago", loop.status())
        finally:
            process.ensure(loop.layout, component)
            if commit:
                loop.gitops.git("revert", "--no-edit", commit)
                loop.gitops.push()
        loop.wait_synced()
        modelctl(loop, "wait", "iris", "--env", "dev", "--seconds", "120")
        assert shown(loop, "staging-iris")["current"] is True
    finally:
        removed = {"data": dict.fromkeys(POLLING["data"])}
        loop.kubectl("patch", *config, f"--patch={json.dumps(removed)}")
