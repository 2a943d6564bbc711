"""An open loop: requests are due by the clock, and latencies count from then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelctl.load.answers import Answers
from modelctl.load.pace import Outcome, arrivals, step

OK = Outcome("200", is_ok=True)


class Simulated(asyncio.SelectorEventLoop):
    """A loop whose waits take no time: its clock goes on by as much as it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]  # of every selector loop
        select = selector.select

        def skip(timeout: float | None = None) -> Any:
            self._now += timeout or 0.0
            return select(0)

        selector.select = skip

    def time(self) -> float:
        return self._now


def simulated(work: Coroutine[Any, Any, Answers]) -> Answers:
    """What comes of it on a machine that is never late."""
    with asyncio.Runner(loop_factory=Simulated) as runner:
        return runner.run(work)


class Stalling:
    """A service that answers at once, and nothing from `after` to `until` seconds."""

    def __init__(self, after: float, until: float) -> None:
        self._after, self._until = after, until
        self._started = 0.0

    async def send(self, number: int) -> Outcome:  # noqa: ARG002
        """Answer, after the stall."""
        now = asyncio.get_running_loop().time()
        self._started = self._started or now
        if self._after <= now - self._started < self._until:
            await asyncio.sleep(self._until - (now - self._started))
        return OK


@pytest.mark.parametrize("connections", [1, 4, 1000])
def test_a_stall_shows_however_few_connections_there_are(connections: int) -> None:
    """Of 200 requests in 2 s, those due in a stall of 1 s wait for its end: half a second and more.

    A closed loop of four connections would have sent four of them, and shown a p90 of nothing.
    """
    found = simulated(step(Stalling(0.5, 1.5), 100, 2, connections=connections))
    assert found.sent == found.ok == 200
    assert found.percentile(90) > 0.7
    assert found.percentile(99) > 0.9
    assert np.mean(np.array(found.latencies) > 0.5) == pytest.approx(0.25, abs=0.01)


@given(
    rate=st.floats(0.5, 2000),
    seconds=st.floats(0.1, 20),
    poisson=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_arrivals_are_in_order_and_in_the_step(rate: float, seconds: float, poisson: bool) -> None:
    times = arrivals(rate, seconds, poisson=poisson)
    assert np.all(np.diff(times) > 0)
    assert np.all(times >= 0)
    if not poisson:
        assert len(times) == max(1, round(rate * seconds))
    assert np.all(times < seconds + 1 / rate)


def test_random_arrivals_are_those_of_independent_users() -> None:
    times = arrivals(200, 60, poisson=True)
    assert len(times) == pytest.approx(12_000, rel=0.03)
    assert stats.kstest(np.diff(times), "expon", args=(0, 1 / 200)).pvalue > 0.001


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=300), st.floats(1, 99.9))
@settings(deadline=None)
def test_a_percentile_is_no_less_than_that_share(latencies: list[float], percent: float) -> None:
    answers = Answers(1, 1, latencies=latencies)
    bound = answers.percentile(percent)
    below = sum(latency <= bound for latency in latencies)
    assert below / len(latencies) >= percent / 100 - 1e-9
    assert bound in latencies


def test_a_generator_that_is_held_up_says_so() -> None:
    class Blocking:
        async def send(self, number: int) -> Outcome:
            """Hold up the whole loop once, as a busy machine does."""
            if number == 10:
                time.sleep(0.3)
            return OK

    found = asyncio.run(step(Blocking(), 100, 1, connections=1000))
    assert found.is_held_up
