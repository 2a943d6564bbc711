"""Which requests are worked on at all: a limit on those in flight, and a deadline for each.

gunicorn accepts without a bound and its `timeout` is only a heartbeat, so both belong here. Probes
and metrics never pass through this module: they must answer while predictions are refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# A refused client may come back after this many seconds; the queue of a healthy pod is shorter.
RETRY_AFTER_SECONDS = 1


class InFlight:
    """Counts requests in progress in this process and refuses those beyond the limit.

    Used as a context manager around the work of one request, in the event loop only.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        # Told the new count each time; a gauge, once the worker has one.
        self.observe: Callable[[float], None] | None = None

    def refusal(self) -> RequestError | None:
        """503 with Retry-After when the limit is reached."""
        if self._count < self._limit:
            return None
        return overloaded(f"this worker already holds {self._limit} requests")

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


def overloaded(detail: str) -> RequestError:
    """503: the client may come back in a second."""
    return RequestError(
        503,
        "overloaded",
        "Too many requests are in flight",
        detail,
        retry_after=RETRY_AFTER_SECONDS,
    )


class Deadline:
    """The moment after which an answer is worth nothing to the client."""

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self._end = time.perf_counter() + timeout_ms / 1000

    def remaining_seconds(self) -> float:
        """Time left; negative once it has passed."""
        return self._end - time.perf_counter()

    def check(self) -> None:
        """Raises RequestError 504 once the time is over."""
        if time.perf_counter() > self._end:
            raise RequestError(
                504,
                "deadline",
                "The deadline has passed",
                f"no answer within {self.timeout_ms} ms",
            )


def requested_deadline(header: str | None, most_ms: int) -> Deadline:
    """The deadline from now: the client's X-Request-Timeout-Ms, but at most the server's own.

    Raises RequestError 400 for a header that is no positive whole number.
    """
    if header is None:
        return Deadline(most_ms)
    if not (header.isascii() and header.isdigit() and 0 < len(header) < 10 and int(header) > 0):
        raise RequestError(
            400,
            "header",
            "A header cannot be used",
            "X-Request-Timeout-Ms: expected a positive whole number of milliseconds",
        )
    return Deadline(min(int(header), most_ms))
