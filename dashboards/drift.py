"""Whether what comes in, and what goes out, still looks like the sample of the bundle."""

from __future__ import annotations

from typing import Any

from dashboards import board
from dashboards.parts import (
    GREEN,
    RECORDED,
    RED,
    SERIES,
    YELLOW,
    beside,
    cells,
    lines,
    number,
    query,
)

WARNING, CRITICAL = 0.1, 0.25
STEPS = ((None, GREEN), (WARNING, YELLOW), (CRITICAL, RED))
CHOSEN = f'{SERIES},feature="$feature"'
RECENT = f'{RECORDED},window="$window"'


def share(metric: str, selector: str, label: str) -> str:
    """Share of each value of a label in the rows of the chosen window."""
    return (
        f"sum by ({label}) (increase({metric}{{{selector}}}[$window])) "
        f"/ on () group_left () (sum(increase({metric}{{{selector}}}[$window])) > 0)"
    )


def make() -> dict[str, Any]:
    """The dashboard."""
    features = f"label_values(ml_feature_bin_total{{{SERIES}}}, feature)"
    return board.board(
        "drift",
        "ML model: drift",
        ("Now", _now()),
        ("Features over time", _features()),
        ("One feature: $feature", _feature()),
        ("Predictions", _predictions()),
        about="Population stability index of live rows against the sample of the bundle: below 0.1 "
        "nothing, from 0.25 on another population. The index needs the rules of the chart.",
        variables=[
            board.namespaces(),
            board.releases(),
            board.fixed("window", "Window", "1h,6h,1d", "1h", "Rows of how long are compared."),
            board.choice("feature", "Feature", features),
        ],
        annotations=[board.ROLLOUTS, board.ALERTS],
        since="now-24h",
    )


def _now() -> list[Any]:
    return [
        number(
            "Highest index",
            "short",
            f"max(ml:feature_psi{{{RECENT}}})",
            about="Population stability index of the feature that drifts most.",
            steps=STEPS,
            decimals=3,
            none="too few rows",
        ),
        number(
            "Feature",
            "short",
            f"topk(1, max by (feature) (ml:feature_psi{{{RECENT}}}))",
            about="The feature that drifts most.",
            steps=STEPS,
            legend="{{feature}}",
            label=True,
            width=5,
            none="too few rows",
        ),
        number(
            "Features that drift",
            "short",
            f"count(max by (feature) (ml:feature_psi{{{RECENT}}}) >= {WARNING}) or vector(0)",
            about=f"Features with an index of {WARNING} or more.",
            steps=((None, GREEN), (1, YELLOW)),
        ),
        number(
            "Prediction index",
            "short",
            f"max(ml:prediction_psi{{{RECENT}}})",
            about="Population stability index of the predictions.",
            steps=STEPS,
            decimals=3,
            none="too few rows",
        ),
        number(
            "Rows",
            "short",
            f"sum(increase(ml_batch_rows_sum{{{SERIES}}}[$window]))",
            about="Rows predicted in the window. Below 500 there is no index: chance makes one.",
            steps=((None, YELLOW), (500, GREEN)),
            width=3,
            decimals=0,
        ),
        number(
            "Unusable values",
            "percentunit",
            f'sum(increase(ml_feature_bin_total{{{SERIES},bin=~"missing|unseen"}}[$window])) '
            f"/ (sum(increase(ml_feature_bin_total{{{SERIES}}}[$window])) > 0)",
            about="Values that were missing, or of a category that the model has never seen.",
            steps=((None, GREEN), (0.01, YELLOW), (0.1, RED)),
            decimals=2,
            none="no traffic",
        ),
    ]


def _features() -> list[Any]:
    return [
        cells(
            "Population stability index: feature by time",
            "short",
            f"max by (feature) (ml:feature_psi{{{RECENT}}})",
            "{{feature}}",
            about="A cell is the index of the window that ends there: green below 0.1, yellow "
            "below 0.25, red from there on; nothing where there were fewer than 500 rows.",
            steps=STEPS,
        ),
        lines(
            "Population stability index",
            "short",
            query(f"max by (feature) (ml:feature_psi{{{RECENT}}})", "{{feature}}"),
            about="The same as lines: how fast it came.",
            width=12,
            marks=STEPS,
        ),
        lines(
            "Values outside the reference",
            "percentunit",
            query(
                "sum by (feature) "
                f'(rate(ml_feature_bin_total{{{SERIES},bin=~"missing|unseen|below|above"}}'
                "[$__rate_interval])) / (sum by (feature) "
                f"(rate(ml_feature_bin_total{{{SERIES}}}[$__rate_interval])) > 0)",
                "{{feature}}",
            ),
            about="Share of values missing, unseen, or beyond the sample's least and most.",
            width=12,
            most=1,
        ),
    ]


def _feature() -> list[Any]:
    return [
        beside(
            "$feature: reference beside live",
            "percentunit",
            "bin",
            share("ml_feature_bin_total", CHOSEN, "bin"),
            f"max by (bin) (ml_feature_reference_ratio{{{CHOSEN}}})",
            about="Share of rows in each bin: in the sample and in the window. While a rollout "
            "lasts the bins of two models come together here.",
        ),
        lines(
            "$feature: bins over time",
            "percentunit",
            query(
                f"sum by (bin) (rate(ml_feature_bin_total{{{CHOSEN}}}[$__rate_interval])) "
                "/ on () group_left () "
                f"(sum(rate(ml_feature_bin_total{{{CHOSEN}}}[$__rate_interval])) > 0)",
                "{{bin}}",
            ),
            about="Share of rows in each bin.",
            width=12,
            stacked=True,
            most=1,
        ),
    ]


def _predictions() -> list[Any]:
    return [
        beside(
            "Predictions: reference beside live",
            "percentunit",
            "prediction",
            share("ml_predictions_total", SERIES, "prediction"),
            f"max by (prediction) (ml_prediction_reference_ratio{{{SERIES}}})",
            about="Share of each class, or range of the target: in the predicted sample and live.",
        ),
        lines(
            "Prediction index by window",
            "short",
            query(
                f'max by (window) (ml:prediction_psi{{{RECORDED},window=~"1h|6h|1d"}})',
                "{{window}}",
            ),
            about="Population stability index of the predictions, over each window.",
            width=12,
            marks=STEPS,
        ),
    ]
