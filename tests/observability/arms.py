"""Two versions that serve at once, for promtool: what each pod counted every half minute.

What was counted is drawn first and the counters are made from it, so the truth does not depend on
how anything reads counters. `None` in a counter is a scrape that failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.random import Generator
    from numpy.typing import NDArray

CANARY, STABLE = "5f6d7c8b9", "7c9d8f6b5"
DIGEST, OTHER_DIGEST = "sha256:" + "b" * 64, "sha256:" + "c" * 64
SECONDS = 30
EDGES = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.95", "0.99", "1.0")
Shares = dict[str, float]


@dataclass(frozen=True)
class Traffic:
    """How an arm answers: shares of its requests, and the mix of its rows."""

    failed: float = 0.01
    shed: float = 0.0
    rejected: float = 0.02
    slow: float = 0.005
    rows: int = 1
    classes: Shares = field(default_factory=lambda: {"good": 0.6, "bad": 0.4})
    # By the upper edges of the histogram.
    confidence: Shares = field(default_factory=lambda: {"0.7": 0.2, "0.9": 0.5, "1.0": 0.3})


@dataclass
class Pod:
    """A pod: growth of its series, first at `start`; what it counted before is 0."""

    arm: str
    name: str
    start: int
    requests: dict[str, NDArray[np.int64]]  # by status
    in_time: NDArray[np.int64]
    classes: dict[str, NDArray[np.int64]]
    confidence: dict[str, NDArray[np.int64]]
    answers: NDArray[np.int64]
    digest: str = DIGEST
    restarted: frozenset[int] = frozenset()
    missed: frozenset[int] = frozenset()
    worker_starts: int = 2

    @property
    def labels(self) -> str:
        """Those of its target."""
        return f'namespace="ml-dev",job="iris",pod="{self.name}"'

    def counters(self) -> dict[str, NDArray[np.int64]]:
        """The growth of every counter, by its series."""
        labels = self.labels
        predict = f'{labels},route="/predict"'
        total = sum(self.requests.values(), np.zeros_like(self.in_time))
        found = {
            f'ml_requests_total{{{predict},code="{code}"}}': growth
            for code, growth in self.requests.items()
        }
        found |= {
            # Probes fail all the time and are no predictions.
            f'ml_requests_total{{{labels},route="/health",code="503"}}': total,
            f"ml_request_duration_seconds_count{{{predict}}}": total,
            f'ml_request_duration_seconds_bucket{{{predict},le="0.25"}}': self.in_time,
            f"ml_batch_rows_count{{{labels}}}": self.answers,
        }
        found |= {
            f'ml_predictions_total{{{labels},prediction="{name}"}}': growth
            for name, growth in self.classes.items()
        }
        below = np.zeros_like(self.in_time)
        for edge in EDGES if self.confidence else ():
            below = below + self.confidence[edge]
            found[f'ml_confidence_bucket{{{labels},le="{edge}"}}'] = below
        if self.confidence:
            found[f"ml_confidence_count{{{labels}}}"] = below
        return found

    def series(self, steps: int) -> dict[str, str]:
        """What is scraped, in promtool's notation."""
        found = {
            series: _scraped(self.values(growth)) for series, growth in self.counters().items()
        }
        gone = "_ " * self.start
        constant = {
            f'ml_model_info{{{self.labels},name="iris",digest="{self.digest}"}}': 1,
            f"ml_workers{{{self.labels}}}": 2,
            f"ml_worker_starts_total{{{self.labels}}}": self.worker_starts,
        }
        rest = steps - self.start
        return found | {name: f"{gone}{value}x{rest}" for name, value in constant.items()}

    def values(self, growth: NDArray[np.int64]) -> list[int | None]:
        """A counter as it is scraped."""
        values: list[int | None] = [None] * self.start
        value = 0
        for step in range(self.start, len(growth)):
            value = (0 if step in self.restarted else value) + int(growth[step])
            values.append(None if step in self.missed else value)
        return values

    def seen(self, growth: NDArray[np.int64]) -> NDArray[np.int64]:
        """What can be known from the scrapes: growth since the one before, or since a restart."""
        seen = np.zeros_like(growth)
        last: int | None = None
        for step, value in enumerate(self.values(growth)):
            if value is None:
                continue
            if last is not None:
                seen[step] = value - last if value >= last else value
            last = value
        return seen


def _scraped(values: list[int | None]) -> str:
    return " ".join("_" if value is None else str(value) for value in values)


def draw(
    random: Generator, arm: str, name: str, traffic: Traffic, rate: Iterable[float], start: int = 0
) -> Pod:
    """A pod of an arm; `rate` is its requests per second, half minute by half minute."""
    total = random.poisson(np.array(list(rate)) * SECONDS)
    total[: start + 1] = 0
    shares = [traffic.failed, traffic.shed, traffic.rejected]
    kinds = random.multinomial(total, [*shares, max(1 - sum(shares), 0)]).T
    failed, shed, rejected, good = kinds
    rows = good * traffic.rows
    return Pod(
        arm,
        f"iris-{arm}-{name}",
        start,
        {"200": good, "422": rejected, "500": failed, "503": shed},
        random.binomial(total, 1 - traffic.slow),
        _split(random, good, traffic.classes, traffic.rows),
        _split(random, rows, {edge: traffic.confidence.get(edge, 0.0) for edge in EDGES}, 1)
        if traffic.confidence
        else {},
        good,
    )


def _split(
    random: Generator, total: NDArray[np.int64], shares: Mapping[str, float], times: int
) -> dict[str, NDArray[np.int64]]:
    """Draw a bin for each; all rows of a request fall into the same."""
    parts = random.multinomial(total, list(shares.values())).T * times
    return dict(zip(shares, parts, strict=True))
