"""Request bodies as they arrive: none too large, none too slow, not too many at once.

Knows ASGI's `receive` and nothing of what a body means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from app.admission import overloaded
from app.errors import RequestError

if TYPE_CHECKING:
    from app.admission import Deadline
    from app.inbound import Inbound

Receive = Callable[[], Awaitable[dict[str, Any]]]

# All bodies that are still arriving may hold as much memory as this many of the largest.
READING_BODIES = 16
# How often overdue bodies are looked for, in seconds.
TICK_SECONDS = 0.05


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class BodyReader:
    """Reads request bodies: none too large, none too slow, not too many at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._limits = TimeLimits()

    async def read(self, inbound: Inbound, receive: Receive) -> bytes:
        """The whole body. Raises RequestError 408, 413 or 503, or ClientGoneError."""
        announced = inbound.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()
        deadline = inbound.deadline
        self._limits.begin(deadline)
        try:
            message = await self._next(receive)
            if not message.get("more_body"):
                return self._checked(message.get("body", b""))
            return await self._rest(message["body"], receive)
        except asyncio.CancelledError as error:
            if not self._limits.was_overdue():
                raise
            raise RequestError(
                408,
                "slow-body",
                "The body did not arrive in time",
                f"nothing complete within {deadline.timeout_ms} ms",
            ) from error
        finally:
            self._limits.end()

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        self._held += size
        try:
            while more:
                if self._held > READING_BODIES * self._limit:
                    raise overloaded("too many large bodies are arriving at once")
                message = await self._next(receive)
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self._held += len(part)
                if size > self._limit:
                    raise self._too_large()
                more = message.get("more_body", False)
        finally:
            self._held -= size
        return b"".join(parts)

    async def _next(self, receive: Receive) -> dict[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return message

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise self._too_large()
        return body

    def _too_large(self) -> RequestError:
        detail = f"at most {self._limit} bytes are read"
        return RequestError(413, "too-large", "The body is too large", detail)


class TimeLimits:
    """Ends tasks that take too long; one look at all of them instead of a timer for each.

    Nearly every body is there at once, and a timer would cost it more than the reading.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], Deadline] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._ticking = False

    def begin(self, deadline: Deadline) -> None:
        """From now on the current task is cancelled when the deadline passes."""
        self._running[_current()] = deadline
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def end(self) -> None:
        """The current task may take its time again."""
        self._running.pop(_current(), None)

    def was_overdue(self) -> bool:
        """Whether the current task was cancelled from here; it may then go on."""
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
        raise RuntimeError("a body is read outside of a task")
    return task
