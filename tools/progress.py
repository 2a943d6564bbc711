"""Progress of builds: a status line on a terminal, else lines with a heartbeat."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from subprocess import STDOUT, Popen, TimeoutExpired
from typing import TYPE_CHECKING, TextIO

from tools.errors import ToolsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEARTBEAT_SECONDS = 30


@dataclass
class BuildProgress:
    """Prints to `stream`; times are in seconds."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    _planned: int = 0
    _begun: int = 0

    def note(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def plan(self, steps: list[tuple[str, int]]) -> None:
        """Print what will be built and about how long it takes with an empty cache."""
        self._planned, self._begun = len(steps), 0
        seconds = sum(seconds for _, seconds in steps)
        about = f"{round(seconds / 60)} min" if seconds >= 90 else f"{seconds} s"
        names = ", ".join(name for name, _ in steps)
        self.note(f"building {names}: about {about} on 2 cores, less with a warm Go build cache")

    @contextlib.contextmanager
    def building(self, name: str, version: str, estimate: int) -> Iterator[BuildStep]:
        """Print one tool and, at the end, its time or that it failed."""
        self._begun += 1
        step = BuildStep(self, f"[{self._begun}/{self._planned}] {name} {version}", estimate)
        step.show(now=True)
        try:
            yield step
        except BaseException:
            step.close("failed after")
            raise
        step.close("built in")


class BuildStep:
    """One tool that is being built; `run` may be called several times."""

    def __init__(self, progress: BuildProgress, label: str, estimate: int) -> None:
        self._progress = progress
        self._label = label
        self._estimate = estimate
        self._started = self._shown = time.monotonic()
        self._is_tty = progress.stream.isatty()

    def run(self, argv: list[str], *, cwd: Path, env: dict[str, str]) -> None:
        """Run one command; a failure raises ToolsError with the command and all its output."""
        with (
            tempfile.TemporaryFile() as log,
            Popen(argv, cwd=cwd, env=env, stdout=log, stderr=STDOUT, process_group=0) as process,
        ):
            try:
                self._wait(process)
            except BaseException:
                # Go exits without ending its compilers and linkers, so end the whole group.
                os.killpg(process.pid, signal.SIGKILL)
                raise
            if process.returncode:
                log.seek(0)
                output = log.read().decode(errors="replace").strip()
                raise ToolsError(
                    f"building {self._label} failed (exit code {process.returncode})\n"
                    f"  command: cd {cwd} && {' '.join(argv)}\n{output}"
                )

    def _wait(self, process: Popen[bytes]) -> None:
        while True:
            try:
                process.wait(timeout=1)
            except TimeoutExpired:
                self.show()
            else:
                return

    def show(self, *, now: bool = False) -> None:
        """Show the elapsed and the expected time; without a terminal at most every heartbeat."""
        current = time.monotonic()
        text = f"{self._label}: {current - self._started:.0f} s of about {self._estimate} s"
        if self._is_tty:
            print(f"\r\033[K{text}", end="", file=self._progress.stream, flush=True)
        elif now or current - self._shown >= HEARTBEAT_SECONDS:
            self._shown = current
            self._progress.note(text)

    def close(self, outcome: str) -> None:
        """Print how it ended and how long it took."""
        text = f"{self._label}: {outcome} {time.monotonic() - self._started:.0f} s"
        self._progress.note(f"\r\033[K{text}" if self._is_tty else text)
