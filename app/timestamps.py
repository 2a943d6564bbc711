"""The time as every log line has it: RFC 3339 in UTC, to the millisecond."""

from __future__ import annotations

import functools
import time


def timestamp(seconds: float) -> str:
    """A moment of `time.time()` as text."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@functools.lru_cache(1)
def _second(whole: int) -> str:
    # Thousands of lines share a second, and writing it down costs more than the rest of them.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
