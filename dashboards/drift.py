"""Drift of inputs and predictions from the sample in the bundle."""

from __future__ import annotations

from typing import Any

from dashboards import layout
from dashboards.panels import (
    GREEN,
    RECORDED,
    RED,
    SERIES,
    YELLOW,
    bar_chart_panel,
    query,
    stat_panel,
    status_history_panel,
    time_series_panel,
)

WARNING, CRITICAL = 0.1, 0.25
STEPS = ((None, GREEN), (WARNING, YELLOW), (CRITICAL, RED))
SELECTED = f'{SERIES},feature="$feature"'
WINDOW = f'{RECORDED},window="$window"'


def share(metric: str, selector: str, label: str) -> str:
    """Return the share of each value of a label in the rows of the selected window."""
    return (
        f"sum by ({label}) (increase({metric}{{{selector}}}[$window])) "
        f"/ on () group_left () (sum(increase({metric}{{{selector}}}[$window])) > 0)"
    )


def make() -> dict[str, Any]:
    """Return the dashboard."""
    features = f"label_values(ml_feature_bin_total{{{SERIES}}}, feature)"
    return layout.make_dashboard(
        "drift",
        "ML model: drift",
        ("Current state", _current()),
        ("Features over time", _features()),
        ("Feature: $feature", _feature()),
        ("Predictions", _predictions()),
        description="Population stability index (PSI) of live rows against the sample in the "
        "bundle: "
        "moderate drift from 0.1, significant from 0.25. PSI needs the chart's rules.",
        variables=[
            layout.namespaces(),
            layout.releases(),
            layout.fixed("window", "Window", "1h,6h,1d", "1h", "Time window of the compared rows."),
            layout.choice("feature", "Feature", features),
        ],
        annotations=[layout.ROLLOUTS, layout.ALERTS],
        since="now-24h",
    )


def _current() -> list[Any]:
    return [
        stat_panel(
            "Highest PSI",
            "short",
            f"max(ml:feature_psi{{{WINDOW}}})",
            description="Population stability index of the most drifted feature.",
            steps=STEPS,
            decimals=3,
            none="too few rows",
        ),
        stat_panel(
            "Most drifted feature",
            "short",
            f"topk(1, max by (feature) (ml:feature_psi{{{WINDOW}}}))",
            description="The feature with the highest PSI.",
            steps=STEPS,
            legend="{{feature}}",
            label=True,
            width=5,
            none="too few rows",
        ),
        stat_panel(
            "Drifted features",
            "short",
            f"count(max by (feature) (ml:feature_psi{{{WINDOW}}}) >= {WARNING}) or vector(0)",
            description=f"Features with a PSI of {WARNING} or more.",
            steps=((None, GREEN), (1, YELLOW)),
        ),
        stat_panel(
            "Prediction PSI",
            "short",
            f"max(ml:prediction_psi{{{WINDOW}}})",
            description="Population stability index of the predictions.",
            steps=STEPS,
            decimals=3,
            none="too few rows",
        ),
        stat_panel(
            "Rows in window",
            "short",
            f"sum(increase(ml_batch_rows_sum{{{SERIES}}}[$window]))",
            description="Rows predicted in the window. PSI needs 500: with fewer it is mostly "
            "noise.",
            steps=((None, YELLOW), (500, GREEN)),
            width=3,
            decimals=0,
        ),
        stat_panel(
            "Missing or unseen values",
            "percentunit",
            f'sum(increase(ml_feature_bin_total{{{SERIES},bin=~"missing|unseen"}}[$window])) '
            f"/ (sum(increase(ml_feature_bin_total{{{SERIES}}}[$window])) > 0)",
            description="Share of missing values and of categories that are not in the sample.",
            steps=((None, GREEN), (0.01, YELLOW), (0.1, RED)),
            decimals=2,
            none="no traffic",
        ),
    ]


def _features() -> list[Any]:
    return [
        status_history_panel(
            "PSI by feature",
            "short",
            f"max by (feature) (ml:feature_psi{{{WINDOW}}})",
            "{{feature}}",
            description="PSI of the window that ends at each time: green below 0.1, yellow below "
            "0.25, "
            "red above; empty with fewer than 500 rows.",
            steps=STEPS,
        ),
        time_series_panel(
            "PSI over time",
            "short",
            query(f"max by (feature) (ml:feature_psi{{{WINDOW}}})", "{{feature}}"),
            description="The same values as lines.",
            width=12,
            marks=STEPS,
        ),
        time_series_panel(
            "Values outside the reference range",
            "percentunit",
            query(
                "sum by (feature) "
                f'(rate(ml_feature_bin_total{{{SERIES},bin=~"missing|unseen|below|above"}}'
                "[$__rate_interval])) / (sum by (feature) "
                f"(rate(ml_feature_bin_total{{{SERIES}}}[$__rate_interval])) > 0)",
                "{{feature}}",
            ),
            description="Share of values that are missing, unseen, or outside the sample's range.",
            width=12,
            maximum=1,
        ),
    ]


def _feature() -> list[Any]:
    return [
        bar_chart_panel(
            "$feature: reference and live",
            "percentunit",
            "bin",
            share("ml_feature_bin_total", SELECTED, "bin"),
            f"max by (bin) (ml_feature_reference_ratio{{{SELECTED}}})",
            description="Share of rows in each bin: in the sample and in the window. During a "
            "rollout the "
            "bins of both models are combined.",
        ),
        time_series_panel(
            "$feature: bins over time",
            "percentunit",
            query(
                f"sum by (bin) (rate(ml_feature_bin_total{{{SELECTED}}}[$__rate_interval])) "
                "/ on () group_left () "
                f"(sum(rate(ml_feature_bin_total{{{SELECTED}}}[$__rate_interval])) > 0)",
                "{{bin}}",
            ),
            description="Share of rows in each bin.",
            width=12,
            stacked=True,
            maximum=1,
        ),
    ]


def _predictions() -> list[Any]:
    return [
        bar_chart_panel(
            "Predictions: reference and live",
            "percentunit",
            "prediction",
            share("ml_predictions_total", SERIES, "prediction"),
            f"max by (prediction) (ml_prediction_reference_ratio{{{SERIES}}})",
            description="Share of each class, or range of the target: in the sample and live.",
        ),
        time_series_panel(
            "Prediction PSI by window",
            "short",
            query(
                f'max by (window) (ml:prediction_psi{{{RECORDED},window=~"1h|6h|1d"}})',
                "{{window}}",
            ),
            description="Population stability index of the predictions, over each window.",
            width=12,
            marks=STEPS,
        ),
    ]
