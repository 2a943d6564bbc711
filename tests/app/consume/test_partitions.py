"""Only what is settled without a gap is committed, and beside it how often the rest was read."""

from __future__ import annotations

import pytest

from app.consume.brokers.partitions import MAX_NOTE, Partition, read_note
from app.consume.messages import Message


def handed_out(partition: Partition, offset: int) -> None:
    """Read a message and hand it out."""
    message = Message(b"", {}, str(offset), partition.deliveries(offset) + 1, None, None)
    partition.add(offset, message)


@pytest.fixture
def partition() -> Partition:
    """One of which five messages are held; its offsets have a gap, as those of transactions."""
    made = Partition("requests-0", 10)
    for offset in (10, 11, 13, 14, 15):
        handed_out(made, offset)
    return made


def test_the_first_message_that_is_not_settled_is_the_position(partition: Partition) -> None:
    assert partition.position == 10
    moved = [partition.settle(offset) for offset in (11, 15, 10, 14)]
    assert moved == [False, False, True, False]
    assert (partition.position, partition.span) == (13, 3)
    assert partition.settle(13)
    assert (partition.position, partition.span, partition.note()) == (16, 0, "")


def test_the_next_consumer_knows_what_was_handed_out(partition: Partition) -> None:
    partition.settle(11)
    assert partition.note() == "16:1"
    after = Partition("requests-0", partition.position, read_note(partition.note()))
    assert [after.deliveries(offset) for offset in (10, 15, 16)] == [1, 1, 0]
    handed_out(after, 10)
    # One of them was handed out again, others were not even read.
    assert after.note() == "11:2,16:1"
    last = Partition("requests-0", after.position, read_note(after.note()))
    assert [last.deliveries(offset) for offset in (10, 11, 16)] == [2, 1, 0]


def test_what_is_settled_behind_the_position_counts_as_handed_out(partition: Partition) -> None:
    partition.unsettled[10].deliveries = 4
    for offset in (11, 13, 14, 15):
        partition.settle(offset)
    assert partition.note() == "11:4,16:1"


def test_a_long_note_is_cut_at_a_run() -> None:
    partition = Partition("requests-0", 0)
    for offset in range(2_000):
        handed_out(partition, offset)
        partition.unsettled[offset].deliveries = 1 + offset % 2
    note = partition.note()
    assert len(note) <= MAX_NOTE
    runs = read_note(note)
    assert runs[:2] == [(1, 1), (2, 2)]
    assert runs[-1][0] == len(runs)


@pytest.mark.parametrize("note", ["", "something else", "1:2,x", "1", "3:"])
def test_a_note_of_somebody_else_says_nothing(note: str) -> None:
    assert read_note(note) == []
