"""The metrics that a training is held to: `models/<model>/baseline.yaml`, committed and reviewed.

Judges numbers; what trained the model and where it runs is none of its business.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelctl.errors import ModelctlError
from modelctl.repository import edits, yamlfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "baseline.yaml"
# Of a new metric's value, until somebody writes a better one into the file.
TOLERANCE_RATIO = 0.01
TOLERANCE_DIGITS = 2
# By the words in its name; whatever else it is called says so in the file.
LOWER = re.compile(r"(^|_)(error|loss|mae|mse|rmse|mape|brier|deviance|logloss)(_|$)")
HIGHER = re.compile(r"(^|_)(accuracy|f1|precision|recall|auc|r2|score|kappa|mcc|map|ndcg)(_|$)")

HEAD = """\
# What a training of {model} is held to: `modelctl gate {model}` refuses a build with a
# metric that is worse than its value here by more than its tolerance, both in its own unit.
# With `--update` it writes the values of the present build; tolerances stay.
"""


class Metric(BaseModel):
    """One metric: what it was, and how much worse it may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[float, Field(allow_inf_nan=False)]
    better: Literal["higher", "lower"]
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @property
    def limit(self) -> float:
        """The worst value that passes."""
        sign = -1 if self.better == "higher" else 1
        # A sum of two decimal numbers has digits behind theirs that nobody wrote.
        return round(self.value + sign * self.tolerance, 12)

    def gain(self, found: float) -> float:
        """How much better `found` is; negative when it is worse."""
        return found - self.value if self.better == "higher" else self.value - found

    def passes(self, found: float) -> bool:
        """Whether `found` is good enough."""
        return found >= self.limit if self.better == "higher" else found <= self.limit


class Baseline(BaseModel):
    """Every metric that counts, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: Annotated[dict[str, Metric], Field(min_length=1)]


@dataclass(frozen=True)
class Verdict:
    """One metric beside its baseline; `problem` is empty when it passes."""

    name: str
    metric: Metric | None
    found: float | None
    problem: str = ""
    note: str = ""


def read(path: Path, model: str) -> Baseline:
    """The committed baseline. Raises ModelctlError when there is none, or for a bad file."""
    if not path.is_file():
        raise ModelctlError(
            f"model '{model}' has no baseline, so nothing says whether it is good enough",
            expected=f"models/{model}/{FILE}",
            fix=f"look at the metrics, then `modelctl gate {model} --update` and commit the file",
        )
    return yamlfile.validate(Baseline, path)


def judge(baseline: Baseline, found: Mapping[str, Any]) -> list[Verdict]:
    """Every metric of the baseline beside what was found, then those it does not know."""
    verdicts = [_judge(name, metric, found.get(name)) for name, metric in baseline.metrics.items()]
    for name in sorted(found.keys() - baseline.metrics.keys()):
        value = _number(found[name])
        verdicts.append(Verdict(name, None, value, note="not in the baseline: held to nothing"))
    return verdicts


def _judge(name: str, metric: Metric, value: Any) -> Verdict:
    found = _number(value)
    if found is None:
        said = "missing" if value is None else f"{value!r} is no number"
        return Verdict(name, metric, None, problem=f"{name} {said}")
    if not metric.passes(found):
        word = "at least" if metric.better == "higher" else "at most"
        problem = f"{name} {found:g}, has to be {word} {metric.limit:g}"
        return Verdict(name, metric, found, problem=problem)
    better = metric.gain(found) > metric.tolerance
    note = "better by more than the tolerance: --update keeps it so" if better else ""
    return Verdict(name, metric, found, note=note)


def plan_update(path: Path, model: str, found: Mapping[str, Any]) -> edits.Edit:
    """Plan to make what was found the baseline. Tolerances and comments stay.

    Raises ModelctlError for a metric that is no number, and for a new one whose name does not
    say which way is better.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    known = yamlfile.validate(Baseline, path).metrics if before else {}
    content = yamlfile.parse(before or HEAD.format(model=model) + "metrics: {}\n", path)
    if not found:
        raise ModelctlError(
            f"the bundle of '{model}' has no metrics",
            expected="evaluation.json with at least one number, written by train.py",
        )
    metrics = type(content)()
    for name, value in found.items():
        number = _number(value)
        if number is None:
            raise ModelctlError(f"metric '{name}' of '{model}' is no number", found=repr(value))
        metrics[name] = _entry(model, name, number, known.get(name))
    if dict(content["metrics"]) != metrics:
        content["metrics"] = metrics
    return edits.Edit(path, before, yamlfile.dump(content))


def _entry(model: str, name: str, value: float, known: Metric | None) -> dict[str, Any]:
    if known is not None:
        return {"value": value, "better": known.better, "tolerance": known.tolerance}
    lower, higher = LOWER.search(name), HIGHER.search(name)
    if bool(lower) == bool(higher):
        raise ModelctlError(
            f"'{name}' does not say which way is better",
            expected="a name with accuracy, f1, r2, auc, error, loss, ... in it",
            fix=f"write it into models/{model}/{FILE} by hand: "
            f"`{name}: {{value: {value:g}, better: higher, tolerance: 0.01}}` (or `lower`)",
        )
    tolerance = float(f"{abs(value) * TOLERANCE_RATIO:.{TOLERANCE_DIGITS}g}")
    return {"value": value, "better": "lower" if lower else "higher", "tolerance": tolerance}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
