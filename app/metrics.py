"""Outcome -> Prometheus, correct across worker processes. Must not be touched in the master.

prometheus-client's multiprocess mode keeps one file per process and sums them on /metrics; the
folder comes from PROMETHEUS_MULTIPROC_DIR, which must be set before the first import.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from app.contract import Label
    from app.outcome import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From 100 µs: a linear model answers below a millisecond, which default buckets cannot see.
SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
)  # fmt: skip
# Classes beyond this share the label value `other`: a label must not grow without bound.
MAX_CLASSES = 50


class Metrics:
    """The metrics of one worker process."""

    def __init__(
        self, *, name: str, version: str, digest: str, engine: str, classes: tuple[Label, ...]
    ) -> None:
        """Register this worker; call it after the fork."""
        values.ValueClass = _value_class(os.getpid())
        registry = CollectorRegistry()
        self._requests = Counter(
            "ml_requests", "Requests by route and status code.", ["route", "code"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "ml_request_duration_seconds", "Time from the whole request to its answer.",
            ["route"], buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Counter("ml_rows", "Rows predicted.", registry=registry)
        self._classes = Counter(
            "ml_predictions", "Predicted rows by class.", ["prediction"], registry=registry
        )
        self._refused = Counter(
            "ml_requests_refused", "Requests without a prediction, by reason.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "ml_requests_in_flight", "Requests being worked on.", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        info = Gauge(
            "ml_model_info", "The loaded model; always 1.",
            ["name", "version", "digest", "engine"], registry=registry, multiprocess_mode="max",
        )  # fmt: skip
        info.labels(name, version, digest, engine).set(1)
        self._by_outcome: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._by_class = {
            value: self._classes.labels(str(value)) for value in classes[:MAX_CLASSES]
        }
        self._other = self._classes.labels("other") if len(classes) > MAX_CLASSES else None

    def record(self, outcome: Outcome) -> None:
        """Count one finished request."""
        key = (outcome.route, outcome.status)
        counted = self._by_outcome.get(key)
        if counted is None:
            # Looking a child up by its labels costs more than counting in it.
            counted = self._by_outcome[key] = (
                self._requests.labels(outcome.route, str(outcome.status)),
                self._seconds.labels(outcome.route),
            )
        counted[0].inc()
        counted[1].observe(outcome.seconds)
        if outcome.kind != "ok":
            self._refused.labels(outcome.kind).inc()
        if outcome.rows:
            self._rows.inc(outcome.rows)
        for value in outcome.values if self._by_class else ():
            child = self._by_class.get(value, self._other)
            if child is not None:
                child.inc()


@functools.cache
def _value_class(pid: int) -> Any:
    """Where prometheus-client keeps its numbers, for a process that knows who it is.

    By default every update asks the kernel for the process id, in case of a fork in between.
    """
    return values.MultiProcessValue(lambda: pid)  # type: ignore[no-untyped-call]


def exposition() -> bytes:
    """The sum over all workers in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
