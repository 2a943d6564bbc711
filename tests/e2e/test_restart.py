"""Bringing the sandbox up again: with nothing changed, and after everything was killed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from sandbox import cgroup

from .loop import Loop, measured
from .session import make


def test_make_up_with_nothing_changed_makes_no_commit(loop: Loop) -> None:
    make("up")  # takes in what was committed to the project since the sandbox came up
    head = loop.gitops.head()
    measured("make up with nothing changed", make("up"), target=30)
    assert loop.gitops.head() == head
    assert loop.gitops.pushed() == head


def test_make_up_works_after_everything_was_killed(loop: Loop) -> None:
    for pid in cgroup.all_members():
        with suppress(ProcessLookupError):  # ended by itself, or with its parent
            os.kill(pid, signal.SIGKILL)
    measured("make up after kill -9 of everything", make("up"), target=90)
    loop.wait_synced()
    assert "Healthy" in loop.status()
