"""Our service under overload: its goodput, and how it sheds requests.

The slow model is the random forest on its scikit-learn engine: several milliseconds of Python for
every prediction, the worst case for the event loop that has to shed requests meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from benchmarks.clients import Measured, closed_loop, open_loop, post
from benchmarks.running import running
from benchmarks.servers import BENCH

if TYPE_CHECKING:
    from benchmarks.servers import Server

LIMIT = 64  # MAX_IN_FLIGHT's default
TIMES = 5
# Enough connections for all waiting and all shed requests.
OPEN_CONNECTIONS = 512
PEAK_CLIENTS = 16
# The maximum rate of the generator.
MAX_RPS = 20_000.0


@dataclass(frozen=True)
class Overload:
    """One overload of a model, and the peak of a closed loop for comparison."""

    model: str
    load: str
    peak: float
    measured: Measured
    has_target: bool

    @property
    def share(self) -> float:
        """Goodput as a share of the peak."""
        return self.measured.goodput / self.peak

    @property
    def slowest_probe(self) -> float:
        """The longest duration of /health or /metrics, in seconds."""
        return max(max(times) for times in self.measured.probes.values())

    @property
    def lost(self) -> int:
        """Requests answered by neither a prediction nor a 503 with Retry-After."""
        answered = self.measured.answered
        return sum(answered.values()) - answered[200] - answered[503] + self.measured.silent

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.share >= 0.9 and self.slowest_probe <= 1 and self.lost == 0


def overload(slow: Server, quick: Server, seconds: float) -> list[Overload]:
    """Measure both overloads of a slow model, and the open loop of a fast model."""
    found = []
    with running(slow, BENCH / "overload-slow.log"):
        request = post(slow.path, slow.body)
        closed_loop(slow.port, request, 1, PEAK_CLIENTS)
        # Before, between and after, because the machine's speed varies.
        peaks = [closed_loop(slow.port, request, seconds, PEAK_CLIENTS).goodput]
        crowd = closed_loop(slow.port, request, seconds, TIMES * LIMIT, probing=True)
        # Running requests of the load must finish first.
        closed_loop(slow.port, request, 1, PEAK_CLIENTS)
        peaks.append(closed_loop(slow.port, request, seconds, PEAK_CLIENTS).goodput)
        rate = TIMES * peaks[-1]
        flood = open_loop(slow.port, request, rate, seconds, OPEN_CONNECTIONS, probing=True)
        peaks.append(closed_loop(slow.port, request, seconds, PEAK_CLIENTS).goodput)
        peak = mean(peaks)
        model = f"random forest on scikit-learn, {1000 / peak:.1f} ms"
        name = f"{TIMES * LIMIT} clients that honour Retry-After"
        found.append(Overload(model, name, mean(peaks[:2]), crowd, has_target=True))
        found.append(Overload(model, f"{rate:,.0f}/s", mean(peaks[1:]), flood, has_target=True))
    with running(quick, BENCH / "overload-quick.log"):
        request = post(quick.path, quick.body)
        closed_loop(quick.port, request, 1, PEAK_CLIENTS)
        peak = closed_loop(quick.port, request, seconds, PEAK_CLIENTS).goodput
        rate = min(MAX_RPS, TIMES * peak)
        flood = open_loop(quick.port, request, rate, seconds, OPEN_CONNECTIONS, probing=True)
        model = "logistic regression, microseconds"
        found.append(Overload(model, f"{rate:,.0f}/s", peak, flood, has_target=False))
    for one in found:
        print(
            f"overload {one.model:45} {one.load:40} goodput {one.share:4.0%} of {one.peak:,.0f}/s"
            f"  {dict(one.measured.answered)}  probes {one.slowest_probe * 1e3:.0f} ms",
            flush=True,
        )
    return found
