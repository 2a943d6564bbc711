"""A suite that hangs, or that leaves a program behind, ends and says why."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sandbox.wait import Answer, wait_until
from tests.runner import watch
from tests.runner.execution import PYTEST, Report, Suite, execute, run

# A program that goes on, with the output of the command that started it.
LEAVE = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {program!r}])"
# Of this process: the same test may run beside it, in another one.
SLEEP = f"import time; time.sleep(600)  # {os.getpid()}"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "REST_SECONDS", 1)
    monkeypatch.setattr(watch, "BEAT_SECONDS", 0.5)


@pytest.mark.parametrize("live", [False, True])
def test_what_is_left_behind_is_named_and_ended(
    live: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    report = Report()
    leave = LEAVE.format(program=SLEEP) + "; print('all passed')"
    assert not run(report, Suite("demo", (sys.executable, "-c", leave), live=live))
    assert time.monotonic() - started < 60
    output = capsys.readouterr().out
    assert "all passed" in output
    assert "demo left behind" in output
    assert "time.sleep(600)" in output
    assert report.failed == ["demo"]
    wait_until("it is gone", gone, 20, interval_seconds=0.1)


def test_what_prints_on_after_its_starter_has_ended_is_ended() -> None:
    program = "import time\nwhile True: print('.', flush=True); time.sleep(0.1)"
    done = execute(Suite("demo", (sys.executable, "-c", LEAVE.format(program=program))))
    assert done.code
    assert "left behind" in done.output


def test_what_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SILENT_SECONDS", 1)
    leave = LEAVE.format(program=SLEEP) + "; import time; time.sleep(600)"
    done = execute(Suite("demo", (sys.executable, "-c", leave)))
    assert done.code
    assert "demo printed nothing for 1 s and was ended" in done.output


def test_a_suite_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import time; print('..... [ 43%]', flush=True); time.sleep(3)"
    assert execute(Suite("demo", (sys.executable, "-c", code))).code == 0
    assert "    demo: 43 %, " in capsys.readouterr().out


def test_a_test_that_hangs_fails_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our own options of pytest but the seconds, with the workers that the suites have."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "test_hung.py").write_text(
        "import time\n\n"
        "def test_one(): pass\n\n"
        "def test_hung(): time.sleep(600)\n\n"
        "def test_two(): pass\n"
    )
    options = ("-o", "timeout=2", f"--rootdir={tmp_path}")
    workers = ("--numprocesses=2", "--dist=loadfile")
    argv = (*PYTEST, "--config-file=pyproject.toml", str(tmp_path), *options, *workers)
    done = execute(Suite("demo", argv))
    assert done.code == 1
    assert "1 failed, 2 passed" in done.output
    assert "test_hung" in done.output
    assert "test_hung.py:5: Failed" in done.output


def test_what_python_cannot_interrupt_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of C that nobody gives back, as in a library that never returns."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # Ten times what it needs: it is ended only when nobody has said anything for so long.
    monkeypatch.setattr(watch, "SILENT_SECONDS", 30)
    (tmp_path / "test_stuck.py").write_text(
        "import ctypes\n\n"
        "def test_stuck():\n"
        "    memory = (ctypes.c_char * 64)()\n"
        "    for _ in range(2): ctypes.CDLL(None).pthread_mutex_lock(memory)\n"
    )
    options = ("-o", "timeout=1", "-o", "faulthandler_timeout=2", f"--rootdir={tmp_path}")
    argv = (*PYTEST, "--config-file=pyproject.toml", str(tmp_path), *options, "--numprocesses=1")
    done = execute(Suite("demo", argv))
    assert done.code
    assert "line 5 in test_stuck" in done.output
    assert "demo printed nothing for 30 s and was ended" in done.output


def gone() -> Answer:
    """Whether what was left behind has ended: a killed process is there for a moment."""
    left = [line for line in commands() if SLEEP in line]
    return Answer(not left, str(left))


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
