"""What the download says: one JSON object per line on stdout, with an `event` each."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import orjson

from app.timestamps import timestamp

INTERVAL_SECONDS = 5


def say(event: str, level: str = "INFO", **fields: Any) -> None:
    """Write one line, in one piece."""
    line = {
        "timestamp": timestamp(time.time()),
        "level": level,
        "logger": "fetch",
        "pid": os.getpid(),
        "event": event,
        **fields,
    }
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


class Progress:
    """Bytes that are there, of all; told every few seconds. Used by several threads."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.fetched = 0
        self._have: dict[str, int] = {}
        self._lock = threading.Lock()
        self._told = time.monotonic()

    def of(self, file: str) -> int:
        """Bytes of a file that are there."""
        return self._have.get(file, 0)

    @property
    def done(self) -> int:
        """Bytes of all files that are there."""
        with self._lock:
            return sum(self._have.values())

    def at(self, file: str, count: int, *, fetched: int = 0) -> None:
        """So many bytes of a file are there, some of them just `fetched`."""
        with self._lock:
            self._have[file] = count
            self.fetched += fetched
            if time.monotonic() - self._told < INTERVAL_SECONDS:
                return
            self._told = time.monotonic()
            done = sum(self._have.values())
        say("fetch_progress", bytes=done, total_bytes=self.total)
