"""Compare the cost of a request between variants of our service.

All run at the same time on one core and get the load in turns, so that a machine that slows down
slows them all. The CPU time of a request is compared, to which other work on the machine does not
add, and ratios are medians over the rounds.
"""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.load import peak
from benchmarks.running import running
from benchmarks.servers import BENCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.servers import Server

SLICE_SECONDS = 1
Rounds = list[list[float]]
T = TypeVar("T")


def in_turns(servers: list[Server], rounds: int, at_end: Callable[[], T]) -> tuple[Rounds, T]:
    """Return CPU seconds of a request by round and server, and the result of `at_end`."""
    costs_by_round: Rounds = []
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(running(server, BENCH / f"turns-{server.name}.log"))
            for server in servers
        ]
        for server in servers:
            peak(server.url, server.body, BENCH, 1)
        for number in range(rounds):
            # Each round starts with another server: none is always the last.
            first = number % len(servers)
            order = [*range(first, len(servers)), *range(first)]
            costs = dict.fromkeys(order, 0.0)
            for index in order:
                server, before = servers[index], cpu_seconds(started[index].processes())
                load = peak(server.url, server.body, BENCH, SLICE_SECONDS, warm_up=False)
                if load.failed:
                    raise RuntimeError(f"{server.name}: {load.failed} requests failed")
                used = cpu_seconds(started[index].processes()) - before
                costs[index] = used / load.requests
            costs_by_round.append([costs[index] for index in range(len(servers))])
        return costs_by_round, at_end()


def share(rounds: Rounds, with_it: int, without: int) -> float:
    """Return the share of the throughput that a feature costs: the median over the rounds."""
    return statistics.median(1 - costs[without] / costs[with_it] for costs in rounds)


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time of these processes so far, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
