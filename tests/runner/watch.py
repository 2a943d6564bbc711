"""Read what a suite prints until it ends, and end what would otherwise be waited for for ever.

Two things made a run hang without a word until its machine was taken away: a command that stopped
printing, and a program which a test had left behind with the suite's output still open. Either is
named and ended. A single test that hangs is pytest's to end (`timeout` in pyproject.toml).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

# What is not shown as it comes says at least that it goes on.
BEAT_SECONDS = 120
# More than any single test may take, so that pytest ends it first.
SILENT_SECONDS = 25 * 60
# The rest of the output of a command that has ended.
REST_SECONDS = 10
CHUNK_BYTES = 1 << 16


@dataclass
class Watch:
    """One command's output: bytes as they came, and why it was cut short (empty: it was not)."""

    name: str
    live: bool
    problem: str = ""
    _read: list[bytes] = field(default_factory=list)
    _line: bytes = b""

    @property
    def output(self) -> str:
        return b"".join(self._read).decode(errors="replace")

    def follow(self, process: Popen[bytes]) -> None:
        """Read until the output is closed, or until nobody will close it."""
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        started = heard = beat = time.monotonic()
        ended = 0.0
        while True:
            ready, _, _ = select.select([pipe], [], [], 1)
            now = time.monotonic()
            if ready:
                heard = now
                if not (chunk := os.read(pipe, CHUNK_BYTES)):
                    break
                self._take(chunk)
            if process.poll() is not None:
                ended = ended or now
                if now - ended > REST_SECONDS:
                    self.problem = "left behind: " + ", ".join(end_holders(pipe))
                    break
            elif now - heard > SILENT_SECONDS:
                self.problem = f"printed nothing for {SILENT_SECONDS} s and was ended"
                process.kill()
                end_holders(pipe)
                heard = now
            if not self.live and now - beat > BEAT_SECONDS:
                beat = now
                print(f"    {self.name}: {self._share()}{now - started:.0f} s", flush=True)
        self._print(self._line)
        process.wait()

    def _take(self, chunk: bytes) -> None:
        """Keep it; print whole lines only, so that two suites do not mix within one."""
        self._read.append(chunk)
        if self.live:
            *whole, self._line = (self._line + chunk).split(b"\n")
            self._print(b"".join(line + b"\n" for line in whole))

    def _print(self, text: bytes) -> None:
        if self.live and text:
            print(text.decode(errors="replace"), end="", flush=True)

    def _share(self) -> str:
        """How far pytest says that it is."""
        shares = re.findall(rb"\[ *(\d+)%\]", b"".join(self._read[-200:]))
        return f"{shares[-1].decode()} %, " if shares else ""


def end_holders(pipe: int) -> list[str]:
    """End every process that can still write to this pipe; returns their commands."""
    named = []
    for pid, command in _holders(pipe):
        named.append(f"{command} ({pid})")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return named or ["nothing that could be found"]


def _holders(descriptor: int) -> Iterator[tuple[int, str]]:
    """Process ids and commands of others that hold a pipe; none where there is no /proc."""
    if sys.platform != "linux":
        return
    pipe = Path(f"/proc/self/fd/{descriptor}").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        # It may end while it is looked at, or belong to somebody else.
        with contextlib.suppress(OSError):
            if any(link.readlink() == pipe for link in (folder / "fd").iterdir()):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                yield pid, b" ".join(words).decode(errors="replace").strip()[:200]
