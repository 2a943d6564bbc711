"""A shared store behind a thread: whoever asks waits for its budget and no longer.

The thread alone talks to the store, whatever that takes: names, TLS, passwords, a host that says
nothing. A request hands over what it asks and goes on without an answer when its time is over;
what it writes is written later. A store that fails or is late too often is not asked until it
answers the thread again in time, so that a dead one costs a request nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from app.cache.store import ForeignEntryError, RefusedWriteError, Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("app")
# Answers in a row that came too late: one alone may be the machine's fault.
MAX_LATE = 3
# One of so many has to be in time, so that a pause of this machine is not the store's.
PINGS = 3
# Between two tries to reach a store that is down; doubled after each.
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 10.0
# A full or read-only store is not written to for so long.
WRITE_PAUSE_SECONDS = 5.0
# Writes that wait for a store that is slow; more are dropped.
MAX_WRITES = 256
STOP_SECONDS = 0.5


class _Lookup:
    """One question, and its answer once `answered` is set."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.answered = threading.Event()
        self.entry: bytes | None = None
        self.is_abandoned = False


class Remote:
    """A store, as requests see it. `count` is told what went wrong, `connected` of the store."""

    def __init__(
        self,
        store: Store,
        budget: float,
        count: Callable[[str], None],
        connected: Callable[[bool], None],
    ) -> None:
        """`budget`: seconds that a request may wait for an answer."""
        self._store = store
        self._budget = budget
        self._count = count
        self._say_connected = connected
        self._jobs: SimpleQueue[_Lookup | tuple[bytes, bytes] | None] = SimpleQueue()
        self._is_up = False
        self._is_known_down = False
        self._ending = threading.Event()
        self._late = 0
        self._no_writes_before = 0.0
        self._refuses_writes = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect; call it once in every worker."""
        self._thread = threading.Thread(target=self._run, name="cache", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up what waits, and disconnect."""
        self._ending.set()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def get(self, key: bytes, seconds: float) -> bytes | None:
        """The entry of a key, if it is there within the budget and these seconds."""
        if not self._is_up:
            return None
        asked = _Lookup(key)
        self._jobs.put(asked)
        if asked.answered.wait(max(0.0, min(self._budget, seconds))):
            self._late = 0
            return asked.entry
        asked.is_abandoned = True
        self._count("timeout")
        self._late += 1
        if self._late >= MAX_LATE:
            self._go_down(f"no answer within {self._budget * 1000:g} ms, {MAX_LATE} times")
            # The thread may have nothing else to wake up for.
            self._jobs.put(None)
        return None

    def put(self, key: bytes, entry: bytes) -> None:
        """Have an entry written, soon or never."""
        if not self._is_up or time.monotonic() < self._no_writes_before:
            return
        if self._jobs.qsize() >= MAX_WRITES:
            self._count("dropped")
            return
        self._jobs.put((key, entry))

    # -- in the thread
    def _run(self) -> None:
        pause = MIN_PAUSE_SECONDS
        while not self._ending.is_set():
            if self._is_up:
                self._do(self._jobs.get())
                continue
            self._discard()
            if self._reach():
                pause = MIN_PAUSE_SECONDS
            else:
                self._ending.wait(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
        self._store.close()

    def _reach(self) -> bool:
        """Whether the store answers, and in time."""
        try:
            self._store.ping()
            seconds = min(self._ping() for _ in range(PINGS))
        except StoreError as error:
            self._count("connection")
            self._go_down(str(error))
            return False
        if seconds > self._budget:
            took = f"it answers after {seconds * 1000:.1f} ms"
            self._go_down(f"{took}, the budget is {self._budget * 1000:g} ms")
            return False
        self._late = 0
        self._is_up, self._is_known_down = True, False
        self._say_connected(True)
        LOGGER.info("cache_connected", extra={"seconds": round(seconds, 6)})
        return True

    def _ping(self) -> float:
        started = time.perf_counter()
        self._store.ping()
        return time.perf_counter() - started

    def _do(self, job: _Lookup | tuple[bytes, bytes] | None) -> None:
        if job is None:
            return
        try:
            if isinstance(job, _Lookup):
                if not job.is_abandoned:
                    job.entry = self._store.get(job.key)
            else:
                self._store.put(*job)
                self._refuses_writes = False
        except ForeignEntryError:
            self._count("invalid")
        except RefusedWriteError as error:
            self._pause_writes(str(error))
        except StoreError as error:
            self._count("connection")
            self._store.close()
            self._go_down(str(error))
        finally:
            if isinstance(job, _Lookup):
                job.answered.set()

    def _pause_writes(self, reason: str) -> None:
        self._count("refused")
        self._no_writes_before = time.monotonic() + WRITE_PAUSE_SECONDS
        # Its name may belong to another server by now, which takes them.
        self._store.close()
        if not self._refuses_writes:
            self._refuses_writes = True
            LOGGER.warning("cache_refuses_writes", extra={"reason": reason[:300]})

    def _go_down(self, reason: str) -> None:
        """Ask it no more until the thread has reached it."""
        self._is_up = False
        self._say_connected(False)
        if not self._is_known_down:
            self._is_known_down = True
            LOGGER.warning("cache_unavailable", extra={"reason": reason[:300]})

    def _discard(self) -> None:
        """What was asked before it went down is not asked later."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if isinstance(job, _Lookup):
                job.answered.set()
