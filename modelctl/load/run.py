"""Run the steps of a load test one after the other."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelctl.load import grpc, http, pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelctl.load.answers import Answers

Protocol = Literal["http", "grpc"]
# Before the first step, so that connections, the service's caches and this process are warm.
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """What is sent, and how. `requests`: bodies, or messages of gRPC; times in seconds."""

    protocol: Protocol
    # Where: with the path for HTTP.
    url: str
    requests: Sequence[bytes]
    rates: tuple[float, ...]
    seconds: float
    connections: int
    timeout: float
    poisson: bool = False

    @property
    def total(self) -> int:
        """How many requests all steps send, about."""
        return sum(round(rate * self.seconds) for rate in self.rates)


def run(
    plan: Plan, *, on_step: Callable[[Answers], None], on_tick: Callable[[float, int], None]
) -> None:
    """Send all steps; `on_step` gets each when it ends, `on_tick` its rate and requests so far.

    The first second is a warm-up, at the first rate, and counts nowhere. Raises ModelctlError.
    """
    asyncio.run(_run(plan, on_step, on_tick))


async def _run(
    plan: Plan, on_step: Callable[[Answers], None], on_tick: Callable[[float, int], None]
) -> None:
    opened = http.sender if plan.protocol == "http" else grpc.sender
    async with opened(plan.url, plan.requests, plan.connections, plan.timeout) as sender:
        await pace.step(sender, plan.rates[0], WARM_UP_SECONDS, connections=plan.connections)
        for rate in plan.rates:
            answers = await pace.step(
                sender,
                rate,
                plan.seconds,
                connections=plan.connections,
                poisson=plan.poisson,
                on_tick=functools.partial(on_tick, rate),
            )
            on_step(answers)
