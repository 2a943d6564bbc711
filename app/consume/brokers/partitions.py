"""What of a partition of Kafka was handed out and is not settled, and what a commit says of it.

Kafka counts no deliveries: how often a message was handed out is noted beside the committed offset,
before it is, so that the next consumer knows whom a message has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.consume.messages import Message

# Of what brokers take (offset.metadata.max.bytes); what is cut off counts as never delivered.
MAX_NOTE = 4_000


@dataclass
class Partition:
    """One partition, for as long as it is assigned to this consumer."""

    key: Any
    # After the last message that was read.
    next: int
    # Runs of deliveries of who had it before: each up to an offset.
    known: list[tuple[int, int]] = field(default_factory=list)
    # By offset, in their order.
    unsettled: dict[int, Message] = field(default_factory=dict)
    # Whether something is to be committed.
    is_changed: bool = False
    # Whether another consumer may have it.
    is_lost: bool = False

    @property
    def position(self) -> int:
        """The first message that is not settled: what is committed."""
        return next(iter(self.unsettled), self.next)

    @property
    def span(self) -> int:
        """How much would be read again."""
        return self.next - self.position

    def deliveries(self, offset: int) -> int:
        """How often a message was handed out before this consumer read it."""
        return next((count for until, count in self.known if offset < until), 0)

    def add(self, offset: int, message: Message) -> None:
        """Another message was read."""
        self.unsettled[offset] = message
        self.next = offset + 1

    def settle(self, offset: int) -> bool:
        """Whether that lets the position move."""
        before = self.position
        self.unsettled.pop(offset, None)
        self.is_changed = True
        return self.position != before

    def note(self) -> str:
        """How often what is not settled was handed out, as `until:count`, separated by commas."""
        runs: list[tuple[int, int]] = []

        def extend(until: int, count: int) -> None:
            if runs and runs[-1][1] == count:
                runs.pop()
            runs.append((until, count))

        for offset, message in self.unsettled.items():
            extend(offset + 1, message.deliveries)
        if self.span and runs[-1][0] < self.next:
            # Those behind are settled.
            extend(self.next, 1)
        for until, count in self.known:
            if until > self.next:
                extend(until, count)
        note = ",".join(f"{until}:{count}" for until, count in runs)
        return note if len(note) <= MAX_NOTE else note[:MAX_NOTE].rpartition(",")[0]


def read_note(note: str) -> list[tuple[int, int]]:
    """The runs in a note; empty if somebody else has written it."""
    try:
        runs = [run.partition(":") for run in note.split(",") if run]
        return [(int(until), int(count)) for until, _, count in runs]
    except ValueError:
        return []
