"""The row of the release's dashboard about its consumer of a queue."""

from __future__ import annotations

from typing import Any

from dashboards.panels import query, time_series_panel

RATE = "$__rate_interval"
# The series of the consumer's pods, scraped through a PodMonitor of its own.
CONSUMED = 'namespace="$namespace",job=~"($namespace/)?$release-consumer"'
ANSWERED = f"rate(ml_consumer_age_seconds_bucket{{{CONSUMED}}}[{RATE}])"


def queue() -> list[Any]:
    """Return the panels of the queue."""
    return [
        time_series_panel(
            "Waiting",
            "short",
            query(f"max(ml_consumer_waiting{{{CONSUMED}}})", "waiting"),
            query(f"sum(ml_consumer_in_flight{{{CONSUMED}}})", "held by pods"),
            description="Requests of the queue without an answer, and those of them that a pod "
            "holds. Empty while there is no pod.",
        ),
        time_series_panel(
            "Oldest request",
            "s",
            query(f"min(ml_consumer_oldest_seconds{{{CONSUMED}}})", "oldest"),
            description="Age of the oldest request without an answer.",
        ),
        time_series_panel(
            "Deliveries by result",
            "reqps",
            query(
                f"sum by (result) (rate(ml_consumer_messages_total{{{CONSUMED}}}[{RATE}]))",
                "{{result}}",
            ),
            description="What became of each delivery; retried and released ones come again.",
            stacked=True,
        ),
        time_series_panel(
            "Time until the answer",
            "s",
            *(
                query(f"histogram_quantile({share}, sum by (le) ({ANSWERED}))", legend)
                for share, legend in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            description="From when a request was sent until its answer was stored.",
        ),
        time_series_panel(
            "Redelivered and dead letters",
            "reqps",
            query(f"sum(rate(ml_consumer_redelivered_total{{{CONSUMED}}}[{RATE}]))", "redelivered"),
            query(
                f"sum(rate(ml_consumer_dead_letters_total{{{CONSUMED}}}[{RATE}]))", "dead letters"
            ),
            description="Requests that were delivered before, and those that get no prediction.",
        ),
        time_series_panel(
            "Pods that reach the broker",
            "short",
            query(f"sum(ml_consumer_connected{{{CONSUMED}}})", "connected"),
            query(f"count(ml_consumer_connected{{{CONSUMED}}})", "pods"),
            description="Pods of the consumer, and those whose broker answers.",
        ),
    ]
