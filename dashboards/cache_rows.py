"""The row of the release's dashboard about its cache of predictions; empty without one."""

from __future__ import annotations

from typing import Any

from dashboards.panels import SERIES, query, time_series_panel

RATE = "$__rate_interval"
HITS = f"rate(ml_cache_hits_total{{{SERIES}}}[{RATE}])"
MISSES = f"rate(ml_cache_misses_total{{{SERIES}}}[{RATE}])"
ALL = f"((sum({HITS}) + sum({MISSES})) > 0)"


def cache() -> list[Any]:
    """Return the panels of the cache."""
    inference = f"sum by (le) (rate(ml_inference_seconds_bucket{{{SERIES}}}[{RATE}]))"
    return [
        time_series_panel(
            "Hit ratio by level",
            "percentunit",
            query(f"sum by (level) ({HITS}) / on () group_left () {ALL}", "{{level}}"),
            description="Share of predictions found in memory or in Redis, or computed once for "
            "equal requests at the same time (flight). The rest was computed.",
            stacked=True,
            maximum=1,
        ),
        time_series_panel(
            "Memory of the cache",
            "bytes",
            query(f"sum(ml_cache_bytes{{{SERIES}}})", "used"),
            query(f"sum(ml_cache_limit_bytes{{{SERIES}}})", "limit"),
            description="Cached predictions in the memory of all workers, and their limit.",
        ),
        time_series_panel(
            "Evictions",
            "reqps",
            query(f"sum(rate(ml_cache_evictions_total{{{SERIES}}}[{RATE}]))", "evicted"),
            description="Predictions that left the memory for newer ones. Many of them with few "
            "hits: the memory is too small, or requests do not repeat.",
        ),
        time_series_panel(
            "Errors of Redis by reason",
            "reqps",
            query(
                f"sum by (reason) (rate(ml_cache_errors_total{{{SERIES}}}[{RATE}]))", "{{reason}}"
            ),
            description="Timeouts are look-ups that Redis did not answer within the budget. Every "
            "such request was answered by the engine.",
            stacked=True,
        ),
        time_series_panel(
            "Workers whose Redis answers",
            "short",
            query(f"sum(ml_cache_connected{{{SERIES}}})", "connected"),
            query(f"sum(ml_workers{{{SERIES}}})", "workers"),
            description="Workers that ask Redis, of all that run; the others compute. Always 0 "
            "with a cache in memory alone.",
        ),
        time_series_panel(
            "Inference, and what Redis adds",
            "s",
            query(f"histogram_quantile(0.5, {inference})", "inference, median"),
            query(
                f"sum(rate(ml_cache_wait_seconds_total{{{SERIES}}}[{RATE}])) / {ALL}",
                "added by Redis, mean",
            ),
            description="Median time of a prediction: that of the cache for a hit, else the "
            "look-up and the engine. A look-up in Redis takes its budget (2 ms) at most.",
        ),
    ]
