"""An analysis in words: numbers in the unit of their metric, and one sentence that decides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from modelctl.repository.experiments import PRIMARY, Guardrail

if TYPE_CHECKING:
    from modelctl.delivery.analysis import Analysis
    from modelctl.delivery.findings import Finding, Level
    from modelctl.repository.experiments import Measure

LEVELS: dict[Level, str] = {
    "better": "better",
    "worse": "worse",
    "open": "open",
    "few": "too few units",
    "holds": "holds",
    "broken": "broken",
}


def value(metric: Measure, number: float) -> str:
    """A value of a metric: a proportion in percent."""
    return f"{number:.2%}" if metric.kind == "proportion" else f"{number:.4g}"


def change(metric: Measure, number: float) -> str:
    """A signed difference: of proportions in percentage points."""
    if not math.isfinite(number):
        return "-∞" if number < 0 else "+∞"
    return f"{number * 100:+.2f} pp" if metric.kind == "proportion" else f"{number:+.3g}"


def interval(finding: Finding) -> str:
    """Both bounds; of a guardrail at the planned end only the one that counts."""
    low, high = (change(finding.metric, each) for each in (finding.effect.low, finding.effect.high))
    if isinstance(finding.metric, Guardrail) and finding.effect.method != "sequence":
        is_up = finding.metric.direction == "increase"
        return f"above {low}" if is_up else f"below {high}"
    return f"{low} to {high}"


def p_value(p: float | None) -> str:
    """A p-value; empty for none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def sentence(analysis: Analysis) -> str:
    """The verdict in plain words."""
    parts = [_variant(analysis, variant) for variant in analysis.experiment.variants]
    return " ".join(part[0].upper() + part[1:] for part in parts)


def _variant(analysis: Analysis, variant: str) -> str:
    findings = analysis.of(variant)
    decision = analysis.decision(variant)
    by_level = {level: [each for each in findings if each.level == level] for level in LEVELS}
    if decision == "stop":
        reasons = [f"worse than {PRIMARY} in {_shown(each)}" for each in by_level["worse"]]
        reasons += [f"beyond the margin of guardrail {_shown(each)}" for each in by_level["broken"]]
        return f"stop {variant}: it is {' and '.join(reasons)}."
    better = ", ".join(_shown(each) for each in by_level["better"])
    if decision == "promote":
        guardrails = "; all guardrails hold" if by_level["holds"] else ""
        return f"{variant} is better than {PRIMARY} in {better}{guardrails}: promote it."
    unsure = [each.metric.name for each in findings if isinstance(each.metric, Guardrail)
              and each.level != "holds"]  # fmt: skip
    but = f", but guardrail {' and '.join(unsure)} is not shown to hold" if unsure else ""
    if decision == "continue":
        so_far = f"is better in {better}{but}" if better else "is not decided"
        planned = analysis.experiment.planned_units
        return (
            f"{variant} {so_far} at {analysis.units:,} of {planned:,} planned units: keep it "
            f"running until {analysis.experiment.end:%Y-%m-%d %H:%M} UTC."
        )
    if better:
        return f"{variant} is better than {PRIMARY} in {better}{but}: do not promote it yet."
    shown = ", ".join(_shown(each) for each in findings if not isinstance(each.metric, Guardrail))
    return f"no difference shown between {variant} and {PRIMARY}: {shown}; keep {PRIMARY}."


def _shown(finding: Finding) -> str:
    effect = change(finding.metric, finding.effect.difference)
    return f"{finding.metric.name} by {effect} ({interval(finding)})"
