"""Read request bodies within limits of size, time and total memory.

Knows ASGI's `receive`, not what a body means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from app.admission import overloaded_error
from app.errors import RequestError

if TYPE_CHECKING:
    from app.admission import Deadline
    from app.inbound import Inbound

Receive = Callable[[], Awaitable[dict[str, Any]]]

# Bodies that are still arriving may use as much memory as this many of the largest size.
MAX_READING_BODIES = 16
# Interval of the check for bodies past their deadline.
TICK_SECONDS = 0.05


class ClientGoneError(Exception):
    """The client closed the connection before the request was complete."""


class BodyReader:
    """Reads the request bodies of one worker."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._limits = TimeLimits()

    async def read(self, inbound: Inbound, receive: Receive) -> bytes:
        """The whole body. Raises RequestError 408, 413 or 503, or ClientGoneError."""
        announced = inbound.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large_error()
        deadline = inbound.deadline
        self._limits.begin(deadline)
        try:
            message = await self._next(receive)
            if not message.get("more_body"):
                return self._within_limit(message.get("body", b""))
            return await self._rest(message["body"], receive)
        except asyncio.CancelledError as error:
            if not self._limits.take_overdue():
                raise
            raise RequestError(
                408,
                "slow-body",
                "Request body timed out",
                f"expected the complete body within {deadline.timeout_ms} ms",
            ) from error
        finally:
            self._limits.end()

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        self._held += size
        try:
            while more:
                if self._held > MAX_READING_BODIES * self._limit:
                    raise overloaded_error("too many large request bodies at the same time")
                message = await self._next(receive)
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self._held += len(part)
                if size > self._limit:
                    raise self._too_large_error()
                more = message.get("more_body", False)
        finally:
            self._held -= size
        return b"".join(parts)

    async def _next(self, receive: Receive) -> dict[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return message

    def _within_limit(self, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise self._too_large_error()
        return body

    def _too_large_error(self) -> RequestError:
        detail = f"expected at most {self._limit} bytes (MAX_BODY_BYTES)"
        return RequestError(413, "too-large", "Request body too large", detail)


class TimeLimits:
    """Cancel tasks past their deadline; one periodic check of all instead of a timer for each.

    Nearly every body arrives with its request, and a timer would cost more than reading it.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], Deadline] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._ticking = False

    def begin(self, deadline: Deadline) -> None:
        """Cancel the current task when the deadline passes."""
        self._running[_current()] = deadline
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def end(self) -> None:
        """Stop watching the current task."""
        self._running.pop(_current(), None)

    def take_overdue(self) -> bool:
        """Whether the current task was cancelled by this check; if so, undo the cancellation."""
        task = _current()
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        task.uncancel()
        return True

    def _tick(self) -> None:
        for task, deadline in list(self._running.items()):
            if deadline.remaining_seconds() < 0:
                del self._running[task]
                self._overdue.add(task)
                task.cancel()
        self._ticking = bool(self._running)
        if self._ticking:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)


def _current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("no current asyncio task: bodies are read in one")
    return task
