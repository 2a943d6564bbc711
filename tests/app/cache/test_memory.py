"""The memory stays within its bytes, as Python counts them, and keeps what was used last."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from app.cache.memory import ENTRY_BYTES, Memory


def key(number: int) -> bytes:
    return number.to_bytes(32, "little")


@pytest.mark.parametrize("size", [1, 30, 500, 20_000])
@pytest.mark.parametrize("limit", [200_000, 3_000_000])
def test_it_takes_no_more_than_its_limit(limit: int, size: int) -> None:
    rng = random.Random(1)  # noqa: S311 - any bytes
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        memory = Memory(limit)
        for number in range(3 * limit // (size + ENTRY_BYTES) + 10):
            memory.put(key(number), rng.randbytes(size))
            memory.get(key(rng.randrange(number + 1)))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert memory.size <= limit
    assert len(memory) > limit // (size + ENTRY_BYTES + 32) * 0.9
    # What it says it has, it has, and hardly less.
    assert after - before <= limit
    assert after - before > 0.5 * memory.size


def test_the_least_recently_used_goes_first() -> None:
    memory = Memory(3 * (32 + 10 + ENTRY_BYTES))
    for number in range(3):
        assert memory.put(key(number), b"x" * 10) == 0
    assert memory.get(key(0)) == b"x" * 10
    assert memory.put(key(3), b"y" * 10) == 1
    assert [memory.get(key(number)) for number in range(4)] == [
        b"x" * 10,
        None,
        b"x" * 10,
        b"y" * 10,
    ]


def test_several_go_for_a_large_one_and_a_too_large_one_is_not_kept() -> None:
    memory = Memory(3 * (32 + 10 + ENTRY_BYTES))
    for number in range(3):
        memory.put(key(number), b"x" * 10)
    assert memory.put(key(9), b"x" * 300) == 2
    size = memory.size
    assert memory.put(key(10), b"x" * 2000) == 0
    assert memory.get(key(10)) is None
    assert memory.size == size


def test_a_replaced_entry_is_counted_once() -> None:
    memory = Memory(10_000)
    memory.put(key(1), b"x" * 10)
    memory.put(key(1), b"y" * 30)
    assert memory.get(key(1)) == b"y" * 30
    assert memory.size == 32 + 30 + ENTRY_BYTES


def test_without_bytes_it_keeps_nothing() -> None:
    memory = Memory(0)
    assert memory.put(key(1), b"") == 0
    assert memory.get(key(1)) is None
