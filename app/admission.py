"""Admission control: a limit on requests in flight, and a deadline for each.

gunicorn accepts without limit and its `timeout` is only a heartbeat, so both are enforced here.
Probes and metrics bypass this module: they must respond while predictions are shed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Retry-After of shed requests; the queue of a healthy pod is shorter.
RETRY_AFTER_SECONDS = 1


class InFlight:
    """Counts the requests in flight in this process and sheds those beyond the limit.

    A context manager around the work of one request, for the event loop only.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        # Called with each new count; sets a gauge once the worker has one.
        self.observe: Callable[[float], None] | None = None

    def refusal(self) -> RequestError | None:
        """503 with Retry-After if the limit is reached, else None."""
        if self._count < self._limit:
            return None
        return overloaded_error(f"this worker has {self._limit} requests in flight (MAX_IN_FLIGHT)")

    def __enter__(self) -> None:
        """Raises the refusal, if there is one."""
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        self._change(1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._change(-1)

    def _change(self, by: int) -> None:
        self._count += by
        if self.observe is not None:
            self.observe(self._count)


def overloaded_error(detail: str) -> RequestError:
    """503 with Retry-After."""
    return RequestError(
        503,
        "overloaded",
        "Too many requests in flight",
        detail,
        retry_after=RETRY_AFTER_SECONDS,
    )


class Deadline:
    """The time by which a request must be answered."""

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self._end = time.perf_counter() + timeout_ms / 1000

    def remaining_seconds(self) -> float:
        """Remaining time; negative after the deadline."""
        return self._end - time.perf_counter()

    def raise_if_passed(self) -> None:
        """Raises RequestError 504 after the deadline."""
        if time.perf_counter() > self._end:
            raise RequestError(
                504,
                "deadline",
                "Deadline exceeded",
                f"timed out after {self.timeout_ms} ms",
            )


def parse_deadline(header: str | None, max_timeout_ms: int) -> Deadline:
    """The deadline of a request: the client's X-Request-Timeout-Ms, at most the server's own.

    Raises RequestError 400 unless the header is a positive integer.
    """
    if header is None:
        return Deadline(max_timeout_ms)
    if not (header.isascii() and header.isdigit() and 0 < len(header) < 10 and int(header) > 0):
        raise RequestError(
            400,
            "header",
            "Invalid header",
            "X-Request-Timeout-Ms: expected an integer from 1 to 999999999 (milliseconds)",
        )
    return Deadline(min(int(header), max_timeout_ms))
