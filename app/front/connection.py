"""What the front knows of its clients, whatever protocol they speak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from app.request import Request
    from app.responses import Reply


def end_half(transport: Any) -> None:
    """Send nothing more, and read on, so that the client sees what was sent before."""
    try:
        transport.write_eof()
    except OSError:
        # The client has gone meanwhile, which the loop will hear of later.
        transport.abort()
        return
    transport.resume_reading()


class Exchange(Protocol):
    """A request and its answer: of HTTP/1.1 a connection, of HTTP/2 a stream."""

    # The request that is being answered, and its prediction if that is the thread's.
    request: Request | None
    work: Future[Any] | None

    def reply(self, reply: Reply) -> None:
        """Answer the request."""

    def time_out_body(self) -> None:
        """Refuse the request if the rest of its body is late."""


class Connection(Protocol):
    """A client of the front."""

    transport: Any

    def send(self) -> None:
        """Give the transport what is answered."""

    def go_on(self) -> None:
        """Read what the client sent ahead."""

    def close_if_idle(self) -> None:
        """Close the connection if it has no request."""

    def close_if_late(self, now: float, limits: Mapping[str, float]) -> None:
        """Close the connection if it has been in its state for longer than that allows."""
