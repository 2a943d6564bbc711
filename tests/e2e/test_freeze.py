"""A freeze on the real Argo CD: nothing that is frozen is synced, and it ends by itself."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from modelctl.repository.environments import TIME_FORMAT
from sandbox.bundles import run_modelctl

from .loop import Loop, eventually, measured
from .test_loop import post, set_value

pytestmark = pytest.mark.loop

FREEZE_SECONDS = 75


def test_a_freeze_holds_a_change_back_and_ends_by_itself(loop: Loop) -> None:
    environments = "environments/environments.yaml"
    settings = "environments/dev/iris/settings.yaml"
    url = f"{loop.url(loop.release('dev-iris'))}/predict/batch"
    rows = json.loads((loop.worktree / "build/bundles/iris/sample.json").read_text())["rows"]
    nine = {"instances": (rows * 9)[:9]}
    until = (datetime.now(UTC) + timedelta(seconds=FREEZE_SECONDS)).replace(microsecond=0)

    def freeze() -> None:
        end = until.strftime(TIME_FORMAT)
        words = ("freeze", "dev/iris", "--until", end, "--reason", "test")
        run_modelctl(loop.layout, loop.worktree, *words)

    def smaller() -> None:
        set_value(loop.worktree / settings, "config", "maxBatchRows", 8)

    with loop.change(freeze, "Freeze iris in dev", environments):
        eventually("the window is in the project", lambda: window(loop), 60)
        with loop.change(smaller, "Smaller batches for iris in dev", settings):
            eventually("Argo CD sees the change", lambda: sync(loop, "OutOfSync"), 60)
            seen = datetime.now(UTC)
            assert seen < until, "the change was seen too late to tell anything"
            served = time.monotonic() + (until - seen).total_seconds()
            eventually(
                "the change is served",
                lambda: ((reply := post(url, nine)).status in (413, 422), reply.text),
                3 * FREEZE_SECONDS,
            )
            after = time.monotonic() - served
            assert after > 0, f"served {-after:.0f} s before the end of the freeze"
            measured("a held change is served after the freeze", after, 60)


def window(loop: Loop) -> tuple[bool, str]:
    project = loop.get("appproject", "dev-models", "--namespace=argocd")
    found = project["spec"].get("syncWindows", [])
    return [entry["applications"] for entry in found] == [["dev-iris"]], str(found)


def sync(loop: Loop, wanted: str) -> tuple[bool, str]:
    found = loop.application("dev-iris")["sync"]["status"]
    return found == wanted, found
