"""One metric of one variant beside the control: difference, interval, and what they prove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modelctl.delivery import statistics
from modelctl.repository.experiments import PRIMARY, Guardrail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelctl.delivery.outcomes import Outcomes
    from modelctl.delivery.statistics import Effect, Numbers
    from modelctl.repository.experiments import Experiment, Measure

Level = Literal["better", "worse", "open", "few", "holds", "broken"]

# Sequential intervals are those of large samples: fewer units in an arm decide nothing.
MIN_UNITS = 100
# Intervals and tests of means take the variance as known. Simulated: with 20 units that carry it
# (see `statistics.carriers`) rare and skewed values keep alpha, also in arms of 10% and less.
MIN_CARRIERS = 20


@dataclass(frozen=True)
class Finding:
    """One metric of one variant beside the control.

    `adjusted_p` is Holm's, over all primary metrics and variants; None of a guardrail. `removed` is
    the share of variance that the pre-period explained. `missing`: units without a value.
    `carriers`, of a mean: the units of each arm that its variance rests on.
    """

    metric: Measure
    variant: str
    units: tuple[int, int]
    missing: tuple[int, int]
    values: tuple[float, float]
    effect: Effect
    level: Level
    adjusted_p: float | None = None
    removed: float | None = None
    carriers: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON; an infinite bound is null."""
        bounds = (self.effect.low, self.effect.high)
        low, high = (bound if np.isfinite(bound) else None for bound in bounds)
        return {
            "metric": self.metric.name,
            "role": "guardrail" if isinstance(self.metric, Guardrail) else "primary",
            "variant": self.variant,
            "units": {PRIMARY: self.units[0], self.variant: self.units[1]},
            "missing": {PRIMARY: self.missing[0], self.variant: self.missing[1]},
            "values": {PRIMARY: self.values[0], self.variant: self.values[1]},
            "difference": self.effect.difference,
            "low": low,
            "high": high,
            "p": self.effect.p,
            "adjusted_p": self.adjusted_p,
            "method": self.effect.method,
            "variance_removed": self.removed,
            "level": self.level,
        }


def compare(
    experiment: Experiment, outcomes: Outcomes, metric: Measure, variant: str, *, is_final: bool
) -> Finding:
    """One metric of one variant; the level of a primary metric is decided once all are known."""
    arms = (PRIMARY, variant)
    columns = [outcomes.of(outcomes.values[metric.name], arm) for arm in arms]
    known = [~np.isnan(column) for column in columns]
    values = [column[is_known] for column, is_known in zip(columns, known, strict=True)]
    removed, compared = None, values
    if metric.pre_period:
        before = [
            outcomes.of(outcomes.before[metric.name], arm)[is_known]
            for arm, is_known in zip(arms, known, strict=True)
        ]
        adjusted = statistics.cuped(values, before)
        removed, compared = adjusted.removed, adjusted.values
    effect = _effect(experiment, metric, compared, is_final=is_final, is_raw=removed is None)
    units = len(values[0]), len(values[1])
    level: Level = "open"
    carriers = None
    if metric.kind == "mean" or removed is not None:
        carriers = statistics.carriers(compared[0]), statistics.carriers(compared[1])
    has_enough = carriers is None or min(carriers) >= MIN_CARRIERS
    if not has_enough or (not is_final and min(units) < MIN_UNITS):
        level = "few"
    elif isinstance(metric, Guardrail):
        level = _guarded(metric, effect)
    return Finding(
        metric,
        variant,
        units,
        (int((~known[0]).sum()), int((~known[1]).sum())),
        (float(values[0].mean()), float(values[1].mean())),
        effect,
        level,
        removed=removed,
        carriers=carriers,
    )


def _effect(
    experiment: Experiment,
    metric: Measure,
    arms: list[Numbers],
    *,
    is_final: bool,
    is_raw: bool,
) -> Effect:
    """The difference; of a guardrail with one bound that counts, at `alpha`."""
    control, variant = arms
    is_binary = metric.kind == "proportion" and is_raw
    alpha = experiment.alpha
    if not is_final:
        return statistics.sequential(control, variant, alpha, scale=metric.scale, binary=is_binary)
    if isinstance(metric, Guardrail):
        alpha *= 2
    test = statistics.two_proportions if is_binary else statistics.welch
    return test(control, variant, alpha)


def _guarded(metric: Guardrail, effect: Effect) -> Level:
    """Non-inferiority: whether the loss is surely below, or surely above, the margin."""
    is_up = metric.direction == "increase"
    least, most = (-effect.high, -effect.low) if is_up else (effect.low, effect.high)
    if most < metric.margin:
        return "holds"
    return "broken" if least > metric.margin else "open"


def judged(finding: Finding, adjusted: float, experiment: Experiment) -> Finding:
    """A finding of a primary metric, with the level that its adjusted p-value gives it."""
    level = finding.level
    if level != "few" and adjusted < experiment.alpha:
        is_up = finding.effect.difference > 0
        level = "better" if is_up == (finding.metric.direction == "increase") else "worse"
    parts = {**vars(finding), "level": level, "adjusted_p": adjusted}
    return Finding(**parts)


def rare_notes(findings: list[Finding]) -> Iterator[str]:
    """A note on each mean that is not judged because its variance rests on a few units."""
    for each in findings:
        if each.carriers is None or min(each.carriers) >= MIN_CARRIERS:
            continue
        fewest = min(each.carriers)
        arm = (PRIMARY, each.variant)[each.carriers.index(fewest)]
        yield (
            f"{each.metric.name} is not judged: its variance in {arm} rests on {fewest:.0f} units, "
            f"expected {MIN_CARRIERS}. Wait for more, or cap extreme values"
        )
