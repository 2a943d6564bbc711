"""One engine behind the cache: what it is asked, how often, and what others wait for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.admission import Deadline
from app.cache.cache import PredictionCache
from app.cache.entry import Entries
from app.cache.key import Keys
from app.cache.memory import Memory
from app.errors import NotStoredError, RequestError
from app.model.contract import Output
from app.model.prediction import Prediction
from app.model.validation import Batch
from tests.app.cache import asked

SECONDS = 30
REGRESSOR = Output("regressor", "y", None, probabilities=False)


class Gate:
    """An engine that answers the sum of a row when it is let, and counts who asks."""

    name = "gate"

    def __init__(self) -> None:
        self.asked = 0
        self.running = threading.Semaphore(0)
        self.opened = threading.Event()
        self.errors: list[Exception] = []
        # Instead of the sum.
        self.values: list[Any] | None = None

    def predict(self, batch: Batch) -> Prediction:
        """Wait, then fail or answer."""
        self.asked += 1
        self.running.release()
        assert self.opened.wait(SECONDS)
        if self.errors:
            raise self.errors.pop()
        return Prediction(self.values or batch.matrix.sum(axis=1).tolist(), None)


class Desk:
    """The cache of such an engine, with threads that ask it."""

    def __init__(self, limit: int = 100_000) -> None:
        self.gate = Gate()
        self.cache = PredictionCache(self.gate, Keys(b"scope"), Entries(REGRESSOR), Memory(limit))
        self.threads = ThreadPoolExecutor(16)

    def ask(self, *numbers: float, deadline: Deadline | None = None) -> Future[list[Any]]:
        """One row, from a thread of its own."""
        batch = Batch(np.array([numbers]))
        limit = deadline or asked.soon()
        return self.threads.submit(lambda: self.cache.predict(batch, limit).values)

    def counts(self) -> dict[str, int]:
        return dict(self.cache.state().counts)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_engine_is_asked_once_for_the_same_rows(desk: Desk) -> None:
    desk.gate.opened.set()
    for _ in range(3):
        assert desk.ask(1.0, 2.0).result(SECONDS) == [3.0]
    assert desk.gate.asked == 1
    assert desk.ask(2.0, 2.0).result(SECONDS) == [4.0]
    assert desk.gate.asked == 2
    assert desk.counts() == {"miss": 2, "memory": 2}
    assert desk.counts() == {}


def test_equal_requests_at_the_same_time_compute_once(desk: Desk) -> None:
    first = desk.ask(1.0)
    assert desk.gate.running.acquire(timeout=SECONDS)
    others = [desk.ask(1.0) for _ in range(8)]
    different = desk.ask(5.0)
    # It waits for nobody: it is at the engine although the first is.
    assert desk.gate.running.acquire(timeout=SECONDS)
    desk.gate.opened.set()
    assert [each.result(SECONDS) for each in (first, *others)] == [[1.0]] * 9
    assert different.result(SECONDS) == [5.0]
    assert desk.gate.asked == 2
    counts = desk.counts()
    assert counts["miss"] == 2
    assert counts.get("flight", 0) + counts.get("memory", 0) == 8


def test_who_waits_has_its_own_deadline(desk: Desk) -> None:
    first = desk.ask(1.0)
    assert desk.gate.running.acquire(timeout=SECONDS)
    with pytest.raises(RequestError) as late:
        desk.ask(1.0, deadline=Deadline(20)).result(SECONDS)
    assert (late.value.status, late.value.kind) == (504, "deadline")
    assert not first.done()
    desk.gate.opened.set()
    assert first.result(SECONDS) == [1.0]
    assert desk.gate.asked == 1


def test_nobody_inherits_the_failure_of_another(desk: Desk) -> None:
    desk.gate.errors.append(RequestError(504, "deadline", "Deadline exceeded", "its own"))
    first = desk.ask(1.0)
    assert desk.gate.running.acquire(timeout=SECONDS)
    others = [desk.ask(1.0) for _ in range(3)]
    desk.gate.opened.set()
    with pytest.raises(RequestError, match="its own"):
        first.result(SECONDS)
    assert [each.result(SECONDS) for each in others] == [[1.0]] * 3
    assert desk.ask(1.0).result(SECONDS) == [1.0]


def test_a_failure_is_not_kept(desk: Desk) -> None:
    desk.gate.opened.set()
    desk.gate.errors.append(ValueError("once"))
    with pytest.raises(ValueError, match="once"):
        desk.ask(1.0).result(SECONDS)
    assert desk.ask(1.0).result(SECONDS) == [1.0]


def test_a_late_answer_is_there_for_the_next_one(desk: Desk) -> None:
    """Whoever gave up has paid for it: asked again, it is there."""
    desk.gate.opened.set()
    assert desk.ask(1.0, deadline=Deadline(1)).result(SECONDS) == [1.0]
    assert desk.ask(1.0).result(SECONDS) == [1.0]
    assert desk.gate.asked == 1


def test_an_event_loop_waits_for_nobody(desk: Desk) -> None:
    first = desk.ask(1.0)
    assert desk.gate.running.acquire(timeout=SECONDS)

    async def ask() -> list[Any]:
        # Lets both go on; with a flight of the first one to wait for this would be its end.
        threading.Timer(0.2, desk.gate.opened.set).start()
        return desk.cache.predict(Batch(np.array([[1.0]])), asked.soon()).values

    assert asyncio.run(ask()) == [1.0]
    assert first.result(SECONDS) == [1.0]
    assert desk.gate.asked == 2


def test_only_what_is_stored_is_answered_where_nothing_else_is_wanted(desk: Desk) -> None:
    desk.gate.opened.set()
    batch = Batch(np.array([[1.0, 2.0]]))
    with pytest.raises(NotStoredError):
        desk.cache.predict(batch, asked.soon(), stored_only=True)
    assert (desk.gate.asked, desk.counts()) == (0, {})
    desk.cache.predict(batch, asked.soon())
    assert desk.cache.predict(batch, asked.soon(), stored_only=True).values == [3.0]
    assert desk.gate.asked == 1


def test_evictions_are_counted() -> None:
    desk = Desk(limit=2000)
    desk.gate.opened.set()
    for number in range(20):
        desk.ask(float(number)).result(SECONDS)
    counts, state = desk.counts(), desk.cache.state()
    assert counts["miss"] == 20
    assert 10 < counts["evicted"] < 20
    assert 0 < state.size <= 2000


def test_what_cannot_be_kept_is_answered_all_the_same(desk: Desk) -> None:
    desk.gate.opened.set()
    batch = Batch(np.array([[1.0]]))
    desk.gate.values = ["no number"]
    for _ in range(2):
        assert desk.cache.predict(batch, asked.soon()).values == ["no number"]
    assert desk.counts() == {"miss": 2, "error-unstorable": 2}
