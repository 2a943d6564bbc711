"""Wake a wait as soon as the API server reports a change of what it looks at.

A watch is no second truth: the probe reads and judges as before, only the pause before its next
look ends early. Where no watch can be held, the pause has its full length.
"""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    # Yields a line for each change until the server ends the stream.
    Open = Callable[[], Iterator[bytes]]

# One change seldom comes alone; the probe looks once for all that come within this.
GATHER_SECONDS = 0.1
# After a watch that ended or failed: the server may be restarting.
REOPEN_SECONDS = 0.5


class Changes:
    """Notes that something changed; `pause` is what `wait_until` does between two looks."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._closed = threading.Event()

    def pause(self, seconds: float) -> None:
        """Return when something has changed since the last pause, at the latest after `seconds`."""
        if self._changed.wait(seconds):
            time.sleep(GATHER_SECONDS)
        # Before the probe looks: what changes from now on ends the next pause.
        self._changed.clear()

    def follow(self, source: Open) -> None:
        """Note every line until `close`; open the stream again whenever it ends."""
        while not self._closed.is_set():
            # What is missed meanwhile is told at the start of the next stream.
            with suppress(OSError, http.client.HTTPException, SandboxError):
                for _ in source():
                    self._changed.set()
                    if self._closed.is_set():
                        return
            self._closed.wait(REOPEN_SECONDS)

    def close(self) -> None:
        """Let every `follow` end, at the next line or at the end of its stream's patience."""
        self._closed.set()


@contextmanager
def watching(sources: Sequence[Open]) -> Iterator[Callable[[float], None]]:
    """Follow these streams meanwhile; gives the pause."""
    changes = Changes()
    for source in sources:
        # Daemons: one that waits for a line must not hold up the end of the program.
        threading.Thread(target=changes.follow, args=(source,), daemon=True).start()
    try:
        yield changes.pause
    finally:
        changes.close()
