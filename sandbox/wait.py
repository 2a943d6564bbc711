"""Waiting that ends: a deadline, and in the error the last state and the end of the log.

Must not know what is waited for; the probe does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import WaitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG_TAIL_LINES = 15
# A log can be large; its last 64 KiB hold more than the lines we show.
LOG_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """The result of a probe: whether the wait is over, and the present state."""

    ready: bool
    state: str


def wait_until(
    what: str,
    probe: Callable[[], Answer],
    deadline_seconds: float,
    *,
    interval_seconds: float = 0.2,
    pause: Callable[[float], object] = time.sleep,
    log: Path | None = None,
    alive: Callable[[], bool] | None = None,
    fix: str = "",
) -> float:
    """Call `probe` until it is ready and return the seconds it took.

    `pause` is called with the interval between two calls; it may return early (see `watch`).

    Raises WaitError at the deadline, or as soon as `alive` returns False: the process that should
    become ready has ended. The error carries the last state and the tail of `log`.
    """
    started = time.monotonic()
    while True:
        # Called before the probe: a process that became ready and then ended is caught next round.
        running = alive is None or alive()
        answer = probe()
        elapsed = time.monotonic() - started
        if answer.ready:
            return elapsed
        if not running:
            reason = f"process exited after {elapsed:.1f} s"
        elif elapsed >= deadline_seconds:
            reason = f"timed out after {elapsed:.1f} s"
        else:
            pause(interval_seconds)
            continue
        raise WaitError(
            f"{what}: {reason}",
            found=answer.state,
            expected=f"{what} within {deadline_seconds:g} s",
            fix=fix or (f"read {log}" if log else "run the command again"),
            details=log_tail(log) if log else "",
        )


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last `lines` lines of `log`, or a note that it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join(text.splitlines()[-lines:])
