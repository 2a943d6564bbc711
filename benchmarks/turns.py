"""Variants of our service side by side: what a request costs each of them.

All run at the same time on one core and get the load in turns, so that a machine that slows down
slows them all; compared is the CPU time of a request, which other work on the machine does not add
to, and ratios are medians over the rounds.
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
    """CPU seconds of a request to each server in each round, and what is asked while they run."""
    found: Rounds = []
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(running(server, BENCH / f"turns-{server.name}.log"))
            for server in servers
        ]
        for server in servers:
            peak(server.url, server.body, BENCH, 1)
        for number in range(rounds):
            # Another one begins each time: none always comes after the others.
            first = number % len(servers)
            order = [*range(first, len(servers)), *range(first)]
            costs = dict.fromkeys(order, 0.0)
            for index in order:
                server, before = servers[index], cpu_seconds(started[index].processes())
                load = peak(server.url, server.body, BENCH, SLICE_SECONDS, warm_up=False)
                if load.failed:
                    raise RuntimeError(f"{server.name}: {load.failed} answers are no prediction")
                used = cpu_seconds(started[index].processes()) - before
                costs[index] = used / load.requests
            found.append([costs[index] for index in range(len(servers))])
        return found, at_end()


def share(rounds: Rounds, with_it: int, without: int) -> float:
    """What part of the throughput it takes: the median over the rounds."""
    return statistics.median(1 - costs[without] / costs[with_it] for costs in rounds)


def cpu_seconds(pids: list[int]) -> float:
    """What these processes have computed so far, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
