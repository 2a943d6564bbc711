"""An open loop: each request starts when it is due, whether or not earlier ones are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from modelctl.load.answers import LATE_SECONDS, Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEED = 20240229
# Steps of the progress bar per second.
TICKS = 4


class Outcome(NamedTuple):
    """Of one request: its status, or why there is none."""

    status: str
    is_ok: bool = False
    is_answer: bool = True


class Sender(Protocol):
    """Sends the request with a number, and never raises what the service is to blame for."""

    async def send(self, number: int) -> Outcome: ...


def arrivals(rate: float, seconds: float, *, poisson: bool) -> NDArray[np.float64]:
    """When each request is due, in seconds from the start of the step.

    Evenly, or by a Poisson process of the same rate, as independent users would send them; its
    times are those of every run.
    """
    count = max(1, round(rate * seconds))
    if not poisson:
        return np.arange(count) / rate
    gaps = np.random.default_rng(SEED).exponential(1 / rate, count)
    times: NDArray[np.float64] = np.cumsum(gaps)
    return times[times < seconds]


async def step(
    sender: Sender,
    rate: float,
    seconds: float,
    *,
    connections: int,
    poisson: bool = False,
    on_tick: Callable[[int], None] = lambda _sent: None,
) -> Answers:
    """Send at a rate (requests per second) for some seconds, and wait for every answer.

    At most `connections` requests are under way. One that is due beyond them waits, and its latency
    counts from when it was due.
    """
    result = Answers(rate, seconds)
    free = asyncio.Semaphore(connections)
    clock = asyncio.get_running_loop().time
    started = clock()

    async def one(number: int, due: float) -> None:
        waits = free.locked()
        async with free:
            if not waits and clock() - due > LATE_SECONDS:
                result.late += 1
            outcome = await sender.send(number)
        if not outcome.is_answer:
            result.failures[outcome.status] += 1
            return
        result.statuses[outcome.status] += 1
        if outcome.is_ok:
            result.ok += 1
            result.latencies.append(clock() - due)

    async with asyncio.TaskGroup() as group:
        tick = 1
        for number, after in enumerate(arrivals(rate, seconds, poisson=poisson)):
            due = started + float(after)
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            elif number % 64 == 0:
                # Behind: answers are read nevertheless.
                await asyncio.sleep(0)
            group.create_task(one(number, due))
            result.sent += 1
            if after * TICKS >= tick:
                tick = int(after * TICKS) + 1
                on_tick(result.sent)
    result.elapsed = clock() - started
    on_tick(result.sent)
    return result
