"""Run one long command with its output in a log and one status line on the terminal.

The command and its children end with us, even when we are killed: `down` could not know of them.
Must not know what the command is for; the caller passes a label.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from sandbox.errors import CommandError
from sandbox.wait import log_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH = 100
# Without a terminal (CI) a silent minute looks like a hang, a line per second like noise.
HEARTBEAT_SECONDS = 20.0
_POLL_SECONDS = 0.25
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f]+")


def run_task(
    label: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 1800,
) -> float:
    """Run `argv`, show progress as `label`, and return the seconds it took.

    Raises CommandError with the end of `log` when the command fails or times out.
    """
    words = tuple(str(word) for word in argv)
    started = time.monotonic()
    process = _start(words, log, env, cwd)
    try:
        _watch(label, process, log, started + timeout_seconds)
    except subprocess.TimeoutExpired as error:
        found = f"timed out after {timeout_seconds:g} s"
        raise CommandError(words, found=found, output=log_tail(log)) from error
    finally:
        # Also on Ctrl-C: nothing that we started keeps running in the background.
        if process.poll() is None:
            process.kill()
            process.wait()
        _clear()
    if process.returncode != 0:
        found = f"exit code {process.returncode}, all output in {log}"
        raise CommandError(words, found=found, output=log_tail(log))
    return time.monotonic() - started


def progress_line(label: str, seconds: float, last: str, width: int = WIDTH) -> str:
    """Return `label`, the time so far and the last output, cut to `width` characters."""
    head = f"  {label}: {seconds:.0f} s"
    # A progress bar redraws itself after a carriage return: only its last state counts.
    output = _CONTROL.sub(" ", last.rstrip().rpartition("\r")[2]).strip()
    line = f"{head}  {output}" if output else head
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _start(
    words: tuple[str, ...], log: Path, env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        try:
            return subprocess.Popen(
                [*_die_with_parent(), *words],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )
        except OSError as error:
            raise CommandError(words, found=f"cannot start: {error}", output="") from error


def _die_with_parent() -> list[str]:
    """Return the prefix that ends a command with us; for root, with all that it started."""
    prefix = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        # A process namespace: when its first process is gone, the kernel kills the rest. Its own
        # /proc brings a mount namespace, so that the command's mounts vanish too.
        prefix += ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return prefix


def _watch(label: str, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    started = time.monotonic()
    last_printed = started
    while True:
        now = time.monotonic()
        if now >= deadline:
            raise subprocess.TimeoutExpired(process.args, deadline - started)
        try:
            process.wait(min(_POLL_SECONDS, deadline - now))
        except subprocess.TimeoutExpired:
            line = progress_line(label, now - started, log_tail(log, 1))
            if sys.stdout.isatty():
                print(f"\r\x1b[2K{line}", end="", flush=True)
            elif now - last_printed >= HEARTBEAT_SECONDS:
                last_printed = now
                print(line, flush=True)
        else:
            return


def _clear() -> None:
    if sys.stdout.isatty():
        print("\r\x1b[2K", end="", flush=True)
