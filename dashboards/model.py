"""One release: service levels, requests, workers, versions."""

from __future__ import annotations

from typing import Any

from dashboards import cache_rows, layout, model_rows, queue_rows
from dashboards.panels import (
    GREEN,
    ORANGE,
    PREDICTIONS,
    RECORDED,
    RED,
    SERIES,
    YELLOW,
    heatmap_panel,
    query,
    stat_panel,
    time_series_panel,
)

RATE = "$__rate_interval"
BURNS = ((None, GREEN), (1, YELLOW), (6, ORANGE), (14.4, RED))
ANSWERED = f"sum(increase(ml_requests_total{{{PREDICTIONS}}}[$__range]))"
FAILED = f'sum(increase(ml_requests_total{{{PREDICTIONS},code=~"5.."}}[$__range]))'
BAD = f"{FAILED} / ({ANSWERED} > 0)"
TIMED = f"sum(increase(ml_request_duration_seconds_count{{{PREDICTIONS}}}[$__range]))"
WITHIN = (
    f'sum(increase(ml_request_duration_seconds_bucket{{{PREDICTIONS},le="$seconds"}}[$__range]))'
)
SLOW = f"1 - {WITHIN} / ({TIMED} > 0)"


def make() -> dict[str, Any]:
    """Return the dashboard."""
    return layout.make_dashboard(
        "model",
        "ML model: release",
        ("Service levels over the selected range", _service_levels()),
        ("Requests", _requests()),
        ("Latency breakdown", _latency()),
        ("Workers and saturation", model_rows.workers()),
        ("Inputs and predictions", model_rows.content()),
        ("Explanations", model_rows.explanations()),
        ("Cache", cache_rows.cache()),
        ("Queue", queue_rows.queue()),
        ("Rollout", model_rows.rollout()),
        ("Canary and verdict", model_rows.canary()),
        description="One model in one environment: service levels and error budgets, requests, "
        "workers, versions. Burn rates need the chart's rules.",
        variables=[
            layout.namespaces(),
            layout.releases(),
            layout.fixed(
                "availability",
                "Availability target, %",
                "99,99.5,99.9,99.95,99.99",
                "99.9",
                "Set it to metrics.rules.availability.target of the release.",
            ),
            layout.fixed(
                "latency",
                "Latency target, %",
                "95,99,99.5,99.9",
                "99",
                "Set it to metrics.rules.latency.target of the release.",
            ),
            layout.fixed(
                "seconds",
                "Latency threshold, s",
                "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0",
                "0.25",
                "Set it to metrics.rules.latency.seconds of the release, a bucket of the "
                "histogram.",
            ),
        ],
        annotations=[layout.ROLLOUTS, layout.ALERTS],
    )


def _service_levels() -> list[Any]:
    remaining = ((None, RED), (0, ORANGE), (0.25, YELLOW), (0.5, GREEN))
    return [
        stat_panel(
            "Availability",
            "percentunit",
            f"1 - {BAD}",
            description="Share of prediction requests not answered with 5xx, over the selected "
            "range.",
            steps=((None, RED), (0.99, YELLOW), (0.999, GREEN)),
            decimals=3,
            none="no traffic",
        ),
        stat_panel(
            "Error budget: availability",
            "percentunit",
            f"1 - ({BAD}) / (1 - $availability / 100)",
            description="Remaining share of the errors that the availability target allows for the "
            "requests in the selected range. Select 30 days for the monthly budget.",
            steps=remaining,
            decimals=1,
            none="no traffic",
        ),
        stat_panel(
            "Latency SLI",
            "percentunit",
            f"1 - ({SLOW})",
            description="Share of prediction requests answered within the latency threshold, "
            "over the "
            "selected range.",
            steps=((None, RED), (0.95, YELLOW), (0.99, GREEN)),
            decimals=3,
            none="no traffic",
        ),
        stat_panel(
            "Error budget: latency",
            "percentunit",
            f"1 - ({SLOW}) / (1 - $latency / 100)",
            description="Remaining share of the slow responses that the latency target allows "
            "for the "
            "requests in the selected range.",
            steps=remaining,
            decimals=1,
            none="no traffic",
        ),
        stat_panel(
            "Version",
            "short",
            f"count by (version) (ml_model_info{{{SERIES}}})",
            description="Model version in the manifest; two of them during a rollout.",
            legend="{{version}}",
            label=True,
        ),
        stat_panel(
            "Model age",
            "s",
            f"time() - max(ml_model_created_timestamp_seconds{{{SERIES}}})",
            description="Time since the commit that the model was trained from.",
            decimals=1,
        ),
        time_series_panel(
            "Burn rate: availability",
            "short",
            query(
                f'ml:request_errors:ratio{{{RECORDED},window=~"5m|1h|6h|3d"}} '
                "/ (1 - $availability / 100)",
                "{{window}}",
            ),
            description="Error ratio as a multiple of what the target allows. 1 spends the "
            "budget in 30 "
            "days, 14.4 in two. Alerts combine a long and a short window.",
            width=12,
            marks=BURNS,
        ),
        time_series_panel(
            "Burn rate: latency",
            "short",
            query(
                f'ml:request_slow:ratio{{{RECORDED},window=~"5m|1h|6h|3d"}} / (1 - $latency / 100)',
                "{{window}}",
            ),
            description="Share of slow responses as a multiple of what the target allows, by the "
            "latency "
            "threshold of the release's rules.",
            width=12,
            marks=BURNS,
        ),
    ]


def _requests() -> list[Any]:
    def quantile(share: float) -> str:
        by_le = f"sum by (le) (rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}]))"
        return f"histogram_quantile({share}, {by_le})"

    return [
        time_series_panel(
            "Request rate by route",
            "reqps",
            query(f"sum by (route) (rate(ml_requests_total{{{SERIES}}}[{RATE}])) > 0", "{{route}}"),
            description="Requests per second; routes without requests are left out.",
            stacked=True,
        ),
        time_series_panel(
            "Error rate by route",
            "reqps",
            query(
                "sum by (route, code) "
                f'(rate(ml_requests_total{{{SERIES},code=~"[45].."}}[{RATE}])) > 0',
                "{{code}} {{route}}",
            ),
            description="Responses per second with 4xx (client errors) and 5xx (server errors).",
            stacked=True,
        ),
        time_series_panel(
            "p99 latency by route",
            "s",
            query(
                "histogram_quantile(0.99, sum by (route, le) "
                f"(rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}])))",
                "{{route}}",
            ),
            description="99th percentile, from the complete request to its response.",
        ),
        heatmap_panel(
            "Latency distribution",
            "s",
            f"sum by (le) (increase(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}]))",
            description="Prediction requests by latency.",
        ),
        time_series_panel(
            "Latency quantiles",
            "s",
            query(quantile(0.5), "p50"),
            query(quantile(0.95), "p95"),
            query(quantile(0.99), "p99"),
            description="Quantiles of prediction requests, estimated from the histogram.",
            width=12,
        ),
    ]


def _latency() -> list[Any]:
    def mean(name: str) -> str:
        return (
            f"sum(rate({name}_sum{{{SERIES}}}[{RATE}])) "
            f"/ (sum(rate({name}_count{{{SERIES}}}[{RATE}])) > 0)"
        )

    waited = (
        "histogram_quantile({share}, sum by (le) "
        f"(rate(ml_queue_wait_seconds_bucket{{{{{SERIES}}}}}[{RATE}])))"
    )
    return [
        time_series_panel(
            "Mean duration by phase",
            "s",
            query(mean("ml_queue_wait_seconds"), "queue wait"),
            query(mean("ml_preprocess_seconds"), "preprocess"),
            query(mean("ml_inference_seconds"), "inference"),
            query(mean("ml_postprocess_seconds"), "postprocess"),
            description="Phases of a prediction request that was answered.",
            stacked=True,
        ),
        time_series_panel(
            "Queue wait",
            "s",
            query(waited.format(share=0.5), "p50"),
            query(waited.format(share=0.99), "p99"),
            description="From the complete request until a worker starts on it; the first to "
            "grow under load.",
        ),
        time_series_panel(
            "Rows per request",
            "short",
            query(mean("ml_batch_rows"), "mean"),
            query(
                "histogram_quantile(0.99, sum by (le) "
                f"(rate(ml_batch_rows_bucket{{{SERIES}}}[{RATE}])))",
                "p99",
            ),
            description="Rows in a prediction request.",
        ),
    ]
