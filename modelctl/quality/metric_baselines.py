"""The metric baselines of a model: `models/<model>/baseline.yaml`, committed and reviewed.

Compares numbers only; independent of how the model was trained and where it runs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from modelctl.errors import ModelctlError
from modelctl.quality import model_files
from modelctl.quality.model_files import StrictModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelctl.repository import edits

FILE = "baseline.yaml"
# The default tolerance of a new metric, as a share of its value.
TOLERANCE_RATIO = 0.01
TOLERANCE_DIGITS = 2
# The direction of a metric by its name; for other names it has to be in the file.
LOWER = re.compile(r"(^|_)(error|loss|mae|mse|rmse|mape|brier|deviance|logloss)(_|$)")
HIGHER = re.compile(r"(^|_)(accuracy|f1|precision|recall|auc|r2|score|kappa|mcc|map|ndcg)(_|$)")

HEAD = """\
# Metric baseline of {model}: `modelctl gate {model}` refuses a build with a metric that is
# worse than its value here by more than its tolerance, both in the metric's unit.
# `--update` writes the values of the current build; tolerances stay.
"""


class MetricBaseline(StrictModel):
    """One metric: its baseline value, and how much worse it may be."""

    value: Annotated[float, Field(allow_inf_nan=False)]
    better: Literal["higher", "lower"]
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @property
    def limit(self) -> float:
        """The worst value that passes."""
        sign = -1 if self.better == "higher" else 1
        # Without the rounding errors of adding two decimal numbers.
        return round(self.value + sign * self.tolerance, 12)

    def gain(self, value: float) -> float:
        """How much better `value` is than the baseline; negative if it is worse."""
        return value - self.value if self.better == "higher" else self.value - value

    def passes(self, value: float) -> bool:
        """Whether `value` is within the tolerance."""
        return value >= self.limit if self.better == "higher" else value <= self.limit


class MetricBaselines(StrictModel):
    """The baselines of all metrics, by name."""

    # Empty, by hand, for a model that has no metrics: then the gate has nothing to compare.
    metrics: dict[str, MetricBaseline]


@dataclass(frozen=True)
class Verdict:
    """One metric compared with its baseline; `problem` is empty if it passes."""

    name: str
    metric: MetricBaseline | None
    found: float | None
    problem: str = ""
    note: str = ""


def read(path: Path, model: str) -> MetricBaselines:
    """The committed baselines. Raises ModelctlError if they are missing or invalid."""
    command = f"modelctl gate {model}"
    return model_files.read(
        MetricBaselines, path, model=model, what="metric baseline", command=command
    )


def judge(baselines: MetricBaselines, metrics: Mapping[str, Any]) -> list[Verdict]:
    """Compare every metric with its baseline; metrics without one come last."""
    verdicts = [
        _judge(name, baseline, metrics.get(name)) for name, baseline in baselines.metrics.items()
    ]
    others = sorted(metrics.keys() - baselines.metrics.keys())
    return [
        *verdicts,
        *(Verdict(name, None, _number(metrics[name]), note="no baseline") for name in others),
    ]


def _judge(name: str, baseline: MetricBaseline, value: Any) -> Verdict:
    number = _number(value)
    if number is None:
        problem = f"{name}: {'missing' if value is None else f'{value!r} is not a number'}"
        return Verdict(name, baseline, None, problem=problem)
    if not baseline.passes(number):
        bound = "at least" if baseline.better == "higher" else "at most"
        problem = f"{name}: expected {bound} {baseline.limit:g}, found {number:g}"
        return Verdict(name, baseline, number, problem=problem)
    is_better = baseline.gain(number) > baseline.tolerance
    note = "better by more than the tolerance; --update raises the baseline" if is_better else ""
    return Verdict(name, baseline, number, note=note)


def plan_update(path: Path, model: str, metrics: Mapping[str, Any]) -> edits.Edit:
    """Plan to make these metrics the baselines. Tolerances and comments stay.

    Raises ModelctlError for a metric that is not a number, and for a new one whose direction is
    not known from its name.
    """
    known = read(path, model).metrics if path.is_file() else {}
    if not metrics:
        raise ModelctlError(
            f"the bundle of '{model}' has no metrics",
            expected="evaluation.json with at least one number, written by train.py, or the "
            "target column in the sample of a finished model",
            fix=f"for a model without metrics, write `metrics: {{}}` into models/{model}/{FILE}",
        )
    entries = {}
    for name, value in metrics.items():
        number = _number(value)
        if number is None:
            raise ModelctlError(f"metric '{name}' of '{model}' is not a number", found=repr(value))
        entries[name] = _entry(model, name, number, known.get(name))
    return model_files.plan_update(path, HEAD.format(model=model), {"metrics": entries})


def _entry(model: str, name: str, value: float, known: MetricBaseline | None) -> dict[str, Any]:
    if known is not None:
        return {"value": value, "better": known.better, "tolerance": known.tolerance}
    lower, higher = LOWER.search(name), HIGHER.search(name)
    if bool(lower) == bool(higher):
        raise ModelctlError(
            f"unknown direction of metric '{name}': is higher or lower better?",
            expected="a name that contains accuracy, f1, r2, auc, error, loss, ...",
            fix=f"add it to models/{model}/{FILE} by hand: "
            f"`{name}: {{value: {value:g}, better: higher, tolerance: 0.01}}` (or `lower`)",
        )
    tolerance = float(f"{abs(value) * TOLERANCE_RATIO:.{TOLERANCE_DIGITS}g}")
    return {"value": value, "better": "lower" if lower else "higher", "tolerance": tolerance}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
