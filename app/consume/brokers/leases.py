"""Messages that are held without a sign of life, where the broker itself does not take them back.

RabbitMQ and Kafka look at connections and members. A message whose consumer gave up on it, such as
because the store did not answer, would otherwise wait until the process ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.consume.messages import Message

# Between two looks.
LOOK_SECONDS = 1.0


class Leases:
    """Who holds a message gives signs of life for it, or it is overdue."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # By identity: the message and its last sign of life, in monotonic seconds.
        self._held: dict[int, tuple[Message, float]] = {}
        self._looked = 0.0

    def touch(self, messages: Iterable[Message]) -> None:
        """These are held."""
        now = time.monotonic()
        self._held.update({id(message): (message, now) for message in messages})

    def end(self, message: Message) -> None:
        """It is settled, or waits."""
        self._held.pop(id(message), None)

    def clear(self) -> None:
        """All of them are somebody else's."""
        self._held.clear()

    def overdue(self) -> list[Message]:
        """Those that nobody holds any more; they are no longer in here."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return []
        self._looked = now
        found = [one for one, touched in self._held.values() if now - touched > self._seconds]
        for message in found:
            self.end(message)
        return found
