"""A connection without a client, for tests of what the front does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from app.request import Request
    from app.responses import Reply


class Transport:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        """As asyncio's."""
        self.written += data

    def abort(self) -> None:
        """As asyncio's."""
        self.is_aborted = True


class Waiting:
    """Notes what becomes of its request; with `fault`, sending and going on fail."""

    def __init__(self, fault: Exception | None = None, answer: bytes = b"") -> None:
        self.transport: Any = Transport()
        self.request: Request | None = None
        self.work: Future[Any] | None = None
        self.status = 0
        self.has_gone_on = False
        self._fault = fault
        self._answer = answer

    def reply(self, reply: Reply) -> None:
        """Answered in the loop."""
        self.status = reply.status

    def go_on(self) -> None:
        """Called by the front."""
        if self._fault is not None:
            raise self._fault
        self.has_gone_on = True

    def send(self) -> None:
        """Called by the front."""
        self.transport.write(self._answer)
        if self._fault is not None:
            raise self._fault

    def close_if_idle(self) -> None:
        """It is not idle."""

    def close_if_late(self, now: float, limits: Any) -> None:
        """It is never late."""

    def time_out_body(self) -> None:
        """Its body is here."""
