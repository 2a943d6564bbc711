"""`/metrics` of a pod while it runs, for Prometheus to scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from app.batch.pod import Progress


class _Collector(Collector):
    """Reads the numbers when it is asked: no files of metrics, as the service's workers share."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        now = self._progress
        parts = GaugeMetricFamily(
            "ml_batch_job_parts", "Parts of this pod by state.", labels=["state"]
        )
        done = now.written + now.kept + now.failed
        states = {"written": now.written, "kept": now.kept, "failed": now.failed}
        for state, count in {**states, "waiting": now.planned - done}.items():
            parts.add_metric([state], count)
        yield parts
        rows = CounterMetricFamily(
            "ml_batch_job_rows", "Rows in parts that this pod wrote.", labels=["result"]
        )
        rows.add_metric(["predicted"], now.predicted)
        rows.add_metric(["rejected"], now.rejected)
        yield rows
        yield CounterMetricFamily(
            "ml_batch_job_read_rows", "Rows that this pod read.", value=now.rows
        )
        if now.about:
            about = GaugeMetricFamily(
                "ml_batch_job_info", "The run of this pod.", labels=list(now.about)
            )
            about.add_metric(list(now.about.values()), 1)
            yield about


def serve(progress: Progress, port: int) -> None:
    """Answer on a port until the process ends. Raises OSError if the port is taken."""
    registry = CollectorRegistry()
    registry.register(_Collector(progress))
    start_http_server(port, registry=registry)
