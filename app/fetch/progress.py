"""The download's log: one JSON object per line on stdout, each with an `event`."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import orjson

from app.timestamps import timestamp

INTERVAL_SECONDS = 5


def log_event(event: str, level: str = "INFO", **fields: Any) -> None:
    """Write one log line."""
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
    """Downloaded bytes, logged every few seconds. Thread-safe."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.fetched = 0
        self._bytes_by_file: dict[str, int] = {}
        self._lock = threading.Lock()
        self._last_report = time.monotonic()

    def bytes_of(self, file: str) -> int:
        """Bytes of a file that are on disk."""
        return self._bytes_by_file.get(file, 0)

    @property
    def done(self) -> int:
        """Bytes of all files that are on disk."""
        with self._lock:
            return sum(self._bytes_by_file.values())

    def update(self, file: str, count: int, *, fetched: int = 0) -> None:
        """Set how many bytes of a file are on disk; `fetched` of them are new."""
        with self._lock:
            self._bytes_by_file[file] = count
            self.fetched += fetched
            if time.monotonic() - self._last_report < INTERVAL_SECONDS:
                return
            self._last_report = time.monotonic()
            done = sum(self._bytes_by_file.values())
        log_event("fetch_progress", bytes=done, total_bytes=self.total)
