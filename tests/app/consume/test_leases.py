"""A message without a sign of life is overdue, once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.consume.brokers import leases
from app.consume.brokers.leases import Leases
from app.consume.messages import Message


def message(position: str) -> Message:
    return Message(b"", {}, position, 1, None, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_only_who_gives_no_sign_of_life_is_overdue(clock: list[float]) -> None:
    held = Leases(10)
    # Equal messages are two all the same.
    alive, silent, settled = message("1"), message("1"), message("2")
    held.touch([alive, silent, settled])
    clock[0] += 6
    held.touch([alive])
    held.end(settled)
    assert held.overdue() == []
    clock[0] += 6
    (found,) = held.overdue()
    assert found is silent
    clock[0] += 2
    assert held.overdue() == []
    clock[0] += 10
    assert [id(one) for one in held.overdue()] == [id(alive)]


def test_what_is_somebody_elses_is_not_overdue(clock: list[float]) -> None:
    held = Leases(10)
    held.touch([message("1")])
    held.clear()
    clock[0] += 100
    assert held.overdue() == []
