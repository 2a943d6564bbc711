"""With labels: how good the live predictions were, beside the metrics in the bundle's manifest."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.model.contract import Label, Output

    Score = Callable[[Any, Any], float]

# Draws for the interval around a metric (percentile bootstrap, Efron & Tibshirani 1993).
DRAWS = 200
INTERVAL = 0.95
LEAST_ROWS = 30


def _averaged(function: Any, average: str) -> Score:
    return lambda true, found: float(function(true, found, average=average, zero_division=0))


# Metrics by the names that evaluation.json usually gives them, and whether more is better.
SCORES: dict[str, tuple[Score, bool]] = {
    "accuracy": (metrics.accuracy_score, True),
    "balanced_accuracy": (metrics.balanced_accuracy_score, True),
    **{
        f"{name}_{average}": (_averaged(function, average), True)
        for name, function in (
            ("f1", metrics.f1_score),
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
        )
        for average in ("macro", "micro", "weighted")
    },
    "r2": (metrics.r2_score, True),
    "mean_absolute_error": (metrics.mean_absolute_error, False),
    "median_absolute_error": (metrics.median_absolute_error, False),
    "mean_squared_error": (metrics.mean_squared_error, False),
    "root_mean_squared_error": (metrics.root_mean_squared_error, False),
}
SHORT = {
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
}


@dataclass(frozen=True)
class Metric:
    """One metric: as packaged, live, and the interval that live rows leave it in."""

    name: str
    before: float
    live: float
    low: float
    high: float
    more_is_better: bool

    @property
    def loss(self) -> float:
        """By what share of its value it is surely worse; 0 if it may not be at all."""
        worse = self.before - self.high if self.more_is_better else self.low - self.before
        return max(0.0, worse) / max(abs(self.before), 1e-12)


def compare(
    before: Mapping[str, Any], true: Sequence[Label], found: Sequence[Label]
) -> list[Metric]:
    """Every metric of the manifest that can be computed from labels and predictions."""
    if len(true) < LEAST_ROWS:
        raise ModelctlError(
            "too few labels to say how good the model is",
            expected=f"at least {LEAST_ROWS} captured rows with a label",
            found=str(len(true)),
        )
    truth, answers = np.asarray(true), np.asarray(found)
    if truth.dtype.kind not in "fiu":
        # Numbers for classes: the same metrics, many times faster to draw.
        _, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
        truth, answers = codes[: len(true)], codes[len(true) :]
    chance = np.random.default_rng(0)
    draws = chance.integers(0, len(truth), (DRAWS, len(truth)))
    compared = []
    for name, value in before.items():
        known = SCORES.get(SHORT.get(name, name))
        if known is None or not isinstance(value, int | float):
            continue
        score, more_is_better = known
        with warnings.catch_warnings():
            # A draw may lack a class; the interval is what it is then.
            warnings.simplefilter("ignore")
            drawn = [float(score(truth[draw], answers[draw])) for draw in draws]
            live = float(score(truth, answers))
        low, high = np.quantile(drawn, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
        compared.append(Metric(name, float(value), live, float(low), float(high), more_is_better))
    return compared


def as_output(texts: Sequence[str], output: Output) -> list[Label]:
    """Labels as written in a file -> the model's own classes or numbers. Raises ModelctlError."""
    if output.classes is None:
        try:
            return [float(text) for text in texts]
        except ValueError as error:
            raise ModelctlError("a label is no number", found=str(error)) from error
    classes = {str(value): value for value in output.classes}
    strangers = sorted({text for text in texts if text not in classes})
    if strangers:
        raise ModelctlError(
            "a label is none of the model's classes",
            expected=", ".join(classes)[:500],
            found=", ".join(strangers)[:200],
        )
    return [classes[text] for text in texts]
