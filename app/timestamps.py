"""Timestamps of log lines: RFC 3339 in UTC, to the millisecond."""

from __future__ import annotations

import functools
import time


def timestamp(seconds: float) -> str:
    """Format a value of `time.time()`."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@functools.lru_cache(1)
def _second(whole: int) -> str:
    # Cached: thousands of lines share a second, and strftime costs more than the rest of a line.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
