"""What a consumer asks of a broker, and of a store for answers.

Each module of `brokers` knows one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.errors import AppError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.consume.messages import Asked, Message


@dataclass(frozen=True)
class Depth:
    """How many requests wait for an answer or are being answered, and the age of the oldest.

    In seconds; None: unknown.
    """

    waiting: int
    oldest_seconds: float | None


class Replies(Protocol):
    """Where answers are kept, one for each key."""

    async def open(self) -> None:
        """Connect. Raises UnavailableError, QueueRefusedError."""

    async def has(self, key: str) -> bool:
        """Whether there is an answer. Raises UnavailableError."""

    async def put(self, key: str, answer: bytes) -> bool:
        """Keep an answer durably unless there is one; whether it was kept.

        Raises UnavailableError, TooLargeError.
        """

    async def close(self) -> None:
        """Disconnect."""


class Queue(Protocol):
    """The requests of one queue, shared with other consumers of its group."""

    # After so many seconds without a sign of life the broker gives a message to another consumer.
    ack_seconds: float

    @property
    def replies(self) -> Replies:
        """The answers' store of the same broker."""

    async def open(self) -> None:
        """Connect, and create what is missing. Raises UnavailableError, QueueRefusedError."""

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """Up to so many messages: those that are there, or the first ones within the time.

        Raises UnavailableError.
        """

    async def ack(self, message: Message) -> None:
        """Settle a message, for good once this returns. Raises UnavailableError."""

    async def later(self, message: Message, seconds: float) -> None:
        """Have it delivered again, to anybody, after so many seconds. Raises UnavailableError."""

    async def dead(self, message: Message, asked: Asked, problem: bytes) -> None:
        """Keep it durably as a dead letter, unchanged, with its problem document.

        Does not settle it. Raises UnavailableError.
        """

    async def extend(self, messages: Sequence[Message]) -> None:
        """Give a sign of life for messages that are held. Raises UnavailableError."""

    async def depth(self) -> Depth:
        """Raises UnavailableError."""

    async def close(self) -> None:
        """Disconnect; what is held is delivered again."""


class UnavailableError(AppError):
    """A broker or store does not answer: it is asked again."""


class TooLargeError(AppError):
    """An answer is larger than what its store takes."""


class QueueRefusedError(RefusedError):
    """The broker does not let us, or has something else under that name: no retry helps."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("queue_refused", what, expected=expected, found=found, fix=fix)
