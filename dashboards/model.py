"""One release: its promises, its requests, its workers, its versions."""

from __future__ import annotations

from typing import Any

from dashboards import board, inside
from dashboards.parts import (
    GREEN,
    ORANGE,
    PREDICTIONS,
    RECORDED,
    RED,
    SERIES,
    YELLOW,
    buckets,
    lines,
    number,
    query,
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
    """The dashboard."""
    return board.board(
        "model",
        "ML model: one release",
        ("Service level over the shown time", _promises()),
        ("Requests", _requests()),
        ("Where the time goes", _time()),
        ("Workers and limits", inside.workers()),
        ("Inputs and predictions", inside.content()),
        ("Rollout", inside.rollout()),
        about="One model in one environment: service levels and error budgets, requests, workers, "
        "versions. Burn rates need the rules of the chart.",
        variables=[
            board.namespaces(),
            board.releases(),
            board.fixed(
                "availability",
                "Availability, %",
                "99,99.5,99.9,99.95,99.99",
                "99.9",
                "As metrics.rules.availability.target of the release.",
            ),
            board.fixed(
                "latency",
                "In time, %",
                "95,99,99.5,99.9",
                "99",
                "As metrics.rules.latency.target of the release.",
            ),
            board.fixed(
                "seconds",
                "In time is within, s",
                "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0",
                "0.25",
                "As metrics.rules.latency.seconds of the release: a bound of the histogram.",
            ),
        ],
        annotations=[board.ROLLOUTS, board.ALERTS],
    )


def _promises() -> list[Any]:
    left = ((None, RED), (0, ORANGE), (0.25, YELLOW), (0.5, GREEN))
    return [
        number(
            "Answered without error",
            "percentunit",
            f"1 - {BAD}",
            about="Share of predictions not answered with 5xx, over the time that is shown.",
            steps=((None, RED), (0.99, YELLOW), (0.999, GREEN)),
            decimals=3,
            none="no traffic",
        ),
        number(
            "Error budget left",
            "percentunit",
            f"1 - ({BAD}) / (1 - $availability / 100)",
            about="Of the errors that the availability target allows for as many requests as there "
            "were in the time that is shown. Show 30 days for the month's budget.",
            steps=left,
            decimals=1,
            none="no traffic",
        ),
        number(
            "Answered in time",
            "percentunit",
            f"1 - ({SLOW})",
            about="Share of predictions answered within the chosen seconds.",
            steps=((None, RED), (0.95, YELLOW), (0.99, GREEN)),
            decimals=3,
            none="no traffic",
        ),
        number(
            "Time budget left",
            "percentunit",
            f"1 - ({SLOW}) / (1 - $latency / 100)",
            about="Of the slow answers that the latency target allows in the time that is shown.",
            steps=left,
            decimals=1,
            none="no traffic",
        ),
        number(
            "Version",
            "short",
            f"count by (version) (ml_model_info{{{SERIES}}})",
            about="Version of the model in the manifest; two of them while a rollout lasts.",
            legend="{{version}}",
            label=True,
        ),
        number(
            "Model age",
            "s",
            f"time() - max(ml_model_created_timestamp_seconds{{{SERIES}}})",
            about="Since the commit that it was trained from.",
            decimals=1,
        ),
        lines(
            "Availability: budget burn rate",
            "short",
            query(
                f'ml:request_errors:ratio{{{RECORDED},window=~"5m|1h|6h|3d"}} '
                "/ (1 - $availability / 100)",
                "{{window}}",
            ),
            about="How many times faster than allowed errors come. 1 uses the budget up in 30 "
            "days, 14.4 in two. Alerts look at a long and a short window together.",
            width=12,
            marks=BURNS,
        ),
        lines(
            "Latency: budget burn rate",
            "short",
            query(
                f'ml:request_slow:ratio{{{RECORDED},window=~"5m|1h|6h|3d"}} / (1 - $latency / 100)',
                "{{window}}",
            ),
            about="How many times faster than allowed slow answers come, by the rules' own limit.",
            width=12,
            marks=BURNS,
        ),
    ]


def _requests() -> list[Any]:
    def quantile(share: float) -> str:
        by_le = f"sum by (le) (rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}]))"
        return f"histogram_quantile({share}, {by_le})"

    return [
        lines(
            "Rate by route",
            "reqps",
            query(f"sum by (route) (rate(ml_requests_total{{{SERIES}}}[{RATE}])) > 0", "{{route}}"),
            about="Requests per second; routes that nobody asks are left out.",
            stacked=True,
        ),
        lines(
            "Errors by route",
            "reqps",
            query(
                "sum by (route, code) "
                f'(rate(ml_requests_total{{{SERIES},code=~"[45].."}}[{RATE}])) > 0',
                "{{code}} {{route}}",
            ),
            about="Answers per second with 4xx (the client's mistake) and 5xx (ours), by route.",
            stacked=True,
        ),
        lines(
            "Duration by route, p99",
            "s",
            query(
                "histogram_quantile(0.99, sum by (route, le) "
                f"(rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}])))",
                "{{route}}",
            ),
            about="From the whole request to its answer; of a hundred the slowest.",
        ),
        buckets(
            "Latency of predictions",
            "s",
            f"sum by (le) (increase(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}]))",
            about="How many predictions took how long.",
        ),
        lines(
            "Duration of predictions",
            "s",
            query(quantile(0.5), "p50"),
            query(quantile(0.95), "p95"),
            query(quantile(0.99), "p99"),
            about="Quantiles over all routes that predict, estimated from the histogram.",
            width=12,
        ),
    ]


def _time() -> list[Any]:
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
        lines(
            "Phases, mean",
            "s",
            query(mean("ml_queue_wait_seconds"), "waiting"),
            query(mean("ml_preprocess_seconds"), "preprocess"),
            query(mean("ml_inference_seconds"), "inference"),
            query(mean("ml_postprocess_seconds"), "postprocess"),
            about="What an answered prediction spends its time on.",
            stacked=True,
        ),
        lines(
            "Wait for a free worker",
            "s",
            query(waited.format(share=0.5), "p50"),
            query(waited.format(share=0.99), "p99"),
            about="From the whole request to the beginning of work on it: grows first under load.",
        ),
        lines(
            "Rows per request",
            "short",
            query(mean("ml_batch_rows"), "mean"),
            query(
                "histogram_quantile(0.99, sum by (le) "
                f"(rate(ml_batch_rows_bucket{{{SERIES}}}[{RATE}])))",
                "p99",
            ),
            about="Rows predicted per request.",
        ),
    ]
