"""The performance of live predictions on labelled rows, compared with the manifest's metrics."""

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

# Resamples for a metric's interval (percentile bootstrap, Efron & Tibshirani 1993).
DRAWS = 200
INTERVAL = 0.95
MIN_ROWS = 30


def _averaged(function: Any, average: str) -> Score:
    return lambda true, answers: float(function(true, answers, average=average, zero_division=0))


# Metrics by their usual names in evaluation.json, and whether higher is better.
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
class MetricChange:
    """One metric: as packaged, live, and the confidence interval of the live value."""

    name: str
    before: float
    live: float
    low: float
    high: float
    more_is_better: bool

    @property
    def loss(self) -> float:
        """The significant decline as a share of the packaged value; 0 if not significant."""
        worse = self.before - self.high if self.more_is_better else self.low - self.before
        return max(0.0, worse) / max(abs(self.before), 1e-12)


def compare(
    before: Mapping[str, Any], true: Sequence[Label], predicted: Sequence[Label]
) -> list[MetricChange]:
    """Every metric of the manifest that can be computed from labels and predictions."""
    if len(true) < MIN_ROWS:
        raise ModelctlError(
            "too few labels to compute metrics",
            expected=f"at least {MIN_ROWS} captured rows with a label",
            found=str(len(true)),
        )
    truth, answers = np.asarray(true), np.asarray(predicted)
    if truth.dtype.kind not in "fiu":
        # Class numbers instead of labels: the same metrics, but much faster to compute.
        _, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
        truth, answers = codes[: len(true)], codes[len(true) :]
    random = np.random.default_rng(0)
    draws = random.integers(0, len(truth), (DRAWS, len(truth)))
    compared = []
    for name, value in before.items():
        known = SCORES.get(SHORT.get(name, name))
        if known is None or not isinstance(value, int | float):
            continue
        score, more_is_better = known
        with warnings.catch_warnings():
            # A resample may lack a class, which scikit-learn warns about.
            warnings.simplefilter("ignore")
            drawn = [float(score(truth[draw], answers[draw])) for draw in draws]
            live = float(score(truth, answers))
        low, high = np.quantile(drawn, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
        compared.append(
            MetricChange(name, float(value), live, float(low), float(high), more_is_better)
        )
    return compared


def as_output(texts: Sequence[str], output: Output) -> list[Label]:
    """Convert labels of a file to the model's classes or numbers. Raises ModelctlError."""
    if output.classes is None:
        try:
            return [float(text) for text in texts]
        except ValueError as error:
            raise ModelctlError("a label is not a number", found=str(error)) from error
    classes = {str(value): value for value in output.classes}
    unknown = sorted({text for text in texts if text not in classes})
    if unknown:
        raise ModelctlError(
            "a label is not one of the model's classes",
            expected=f"one of {', '.join(classes)}"[:500],
            found=", ".join(unknown)[:200],
        )
    return [classes[text] for text in texts]
