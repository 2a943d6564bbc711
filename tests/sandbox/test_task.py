"""A long command: its line for people, its log, its failure."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.errors import CommandError
from sandbox.task import progress_line, run_task
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("last", "line"),
    [
        ("", "  build: 7 s"),
        ("STEP 3/9: RUN make", "  build: 7 s  STEP 3/9: RUN make"),
        ("10%\r20%\r30%", "  build: 7 s  30%"),
        ("\x1b[32mgreen\x1b[0m", "  build: 7 s  green"),
        ("x" * 200, "  build: 7 s  " + "x" * 83 + "..."),
    ],
    ids=["silent", "plain", "progress-bar", "colours", "long"],
)
def test_progress_line_shows_the_last_output_within_100_columns(last: str, line: str) -> None:
    assert progress_line("build", 7.4, last) == line
    assert len(line) <= 100


def test_task_keeps_the_output_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "task.log"
    argv = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"]
    run_task("task", argv, log=log)
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_task_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "task.log"
    argv = [sys.executable, "-c", "print('cause'); raise SystemExit(4)"]
    with pytest.raises(CommandError) as caught:
        run_task("task", argv, log=log)
    assert caught.value.found == f"exit code 4, all output in {log}"
    assert caught.value.details == "cause"


def test_task_ends_a_command_that_takes_too_long(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # There before the command, which would otherwise wait for a reader. The command may not even
    # get to write within its time; what counts is that nobody holds the writing end any more.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    argv = ["sh", "-c", f"exec >{fifo}; echo started; exec sleep 600"]
    with pytest.raises(CommandError) as caught:
        run_task("task", argv, log=tmp_path / "log", timeout_seconds=0.5)
    assert caught.value.found == "timed out after 0.5 s"
    with os.fdopen(reader, "rb", buffering=0) as stream:
        os.set_blocking(reader, True)
        ended, _, _ = select.select([stream], [], [], 60)
        assert ended, "the command goes on"
        assert stream.readall() in (b"", b"started\n")


def test_task_ends_with_us_even_when_we_are_killed(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # Whoever holds the writing end is alive: the pipe ends when the last of them does.
    code = (
        "from pathlib import Path; from sandbox.task import run_task; "
        f"run_task('task', ['sh', '-c', 'exec >{fifo}; echo started; exec sleep 600'], "
        f"log=Path({str(tmp_path / 'log')!r}))"
    )
    with (
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as ours,
        fifo.open() as reader,
    ):
        assert reader.readline() == "started\n"
        ours.kill()
        ended, _, _ = select.select([reader], [], [], 60)
        assert ended, "the command goes on without us"
        assert reader.read() == ""


def test_task_says_when_the_command_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="command failed: no-such-command"):
        run_task("task", ["no-such-command"], log=tmp_path / "log")
