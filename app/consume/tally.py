"""What the consumer counts, as its metrics say it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from app.consume.queue import Depth

ANSWERED, DUPLICATE, RETRIED, RELEASED = "answered", "duplicate", "retried", "released"
REFUSED, FAILED, EXPIRED = "refused", "failed", "expired"
RESULTS = (ANSWERED, REFUSED, FAILED, EXPIRED, DUPLICATE, RETRIED, RELEASED)
# Seconds from when a request was sent to when its answer was stored.
AGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@dataclass
class Tally:
    """The counts of one consumer."""

    results: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    redelivered: int = 0
    dead: int = 0
    held: int = 0
    connected: bool = False
    depth: Depth | None = None
    ages: list[int] = field(default_factory=lambda: [0] * (len(AGES) + 1))
    age_sum: float = 0.0

    def observe_age(self, seconds: float) -> None:
        """Count how long a request waited for its answer."""
        self.ages[bisect_left(AGES, seconds)] += 1
        self.age_sum += seconds


class TallyCollector(Collector):
    """Reads the numbers when it is asked."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """Called for each scrape."""
        tally = self._tally
        results = CounterMetricFamily(
            "ml_consumer_messages", "Deliveries by what became of them.", labels=["result"]
        )
        for result, count in tally.results.items():
            results.add_metric([result], count)
        yield results
        yield CounterMetricFamily(
            "ml_consumer_redelivered", "Deliveries of a message that was delivered before.",
            value=tally.redelivered,
        )  # fmt: skip
        yield CounterMetricFamily(
            "ml_consumer_dead_letters", "Messages that were kept as dead letters.", value=tally.dead
        )
        yield GaugeMetricFamily(
            "ml_consumer_in_flight", "Messages that this pod holds.", tally.held
        )
        yield GaugeMetricFamily(
            "ml_consumer_connected", "1 while the broker answers.", float(tally.connected)
        )
        if tally.depth is not None:
            yield GaugeMetricFamily(
                "ml_consumer_waiting",
                "Messages of the queue without an answer.",
                tally.depth.waiting,
            )
            if tally.depth.oldest_seconds is not None:
                yield GaugeMetricFamily(
                    "ml_consumer_oldest_seconds",
                    "Age of the oldest message without an answer.",
                    tally.depth.oldest_seconds,
                )
        ages = HistogramMetricFamily(
            "ml_consumer_age_seconds", "Time from when a message was sent to when it was answered."
        )
        count, buckets = 0, []
        for bound, number in zip((*map(repr, AGES), "+Inf"), tally.ages, strict=True):
            count += number
            buckets.append((bound, count))
        ages.add_metric([], buckets, tally.age_sum)
        yield ages
