"""What the front knows of a connection, whatever protocol it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from app.request import Request
    from app.responses import Reply


class Connection(Protocol):
    """A client of the front."""

    state: str
    transport: Any
    # The request that is being answered, and its prediction if that is the thread's.
    request: Request | None
    work: Future[Any] | None

    def reply(self, reply: Reply) -> None:
        """Answer the request."""

    def go_on(self) -> None:
        """Read what the client sent ahead."""

    def sent(self) -> None:
        """The answer is with the transport."""

    def close_if_late(self, now: float, limits: Mapping[str, float]) -> None:
        """Close the connection if it has been in its state for longer than that allows."""

    def time_out_body(self) -> None:
        """Refuse the request if the rest of its body is late."""
