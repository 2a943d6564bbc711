"""How many units an experiment needs to see the effect that matters. Pure.

For one look at the planned end. Intervals before it are wider, so that an effect of exactly this
size is usually seen at the end and a larger one earlier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import stats

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelctl.repository.experiments import Experiment, Metric

# Beyond all traffic: below it, the effect is too small to be asked for.
MAX_UNITS = 10**10


@dataclass(frozen=True)
class Need:
    """The units that one metric needs in all arms together."""

    metric: str
    kind: str
    baseline: float | None
    standard_deviation: float
    effect: float
    units: int


def proportion_power(
    baseline: float, effect: float, control: float, variant: float, alpha: float
) -> float:
    """The power of the two-sided z-test with pooled variance, for numbers of units in two arms."""
    other = baseline + effect
    pooled = (baseline * control + other * variant) / (control + variant)
    under_null = math.sqrt(pooled * (1 - pooled) * (1 / control + 1 / variant))
    under_effect = math.sqrt(baseline * (1 - baseline) / control + other * (1 - other) / variant)
    critical = float(stats.norm.ppf(1 - alpha / 2)) * under_null
    above = float(stats.norm.sf((critical - effect) / under_effect))
    return above + float(stats.norm.cdf((-critical - effect) / under_effect))


def mean_power(
    deviation: float, effect: float, control: float, variant: float, alpha: float
) -> float:
    """The power of the two-sided t-test for numbers of units in two arms."""
    freedom = control + variant - 2
    shift = effect / (deviation * math.sqrt(1 / control + 1 / variant))
    critical = float(stats.t.ppf(1 - alpha / 2, freedom))
    above = float(stats.nct.sf(critical, freedom, shift))
    below = float(stats.nct.cdf(-critical, freedom, shift))
    # Far from the centre the distribution has no value, where it would add nothing.
    return above + (0.0 if math.isnan(below) else below)


def need(metric: Metric, experiment: Experiment) -> Need:
    """The units for one metric. Raises ModelctlError if the file does not say enough of it.

    The smallest variant decides, and `alpha` is divided among all comparisons: Holm's procedure
    needs no more.
    """
    effect = metric.minimum_effect * (1 if metric.direction == "increase" else -1)
    deviation = _deviation(metric, effect)
    comparisons = len(experiment.metrics) * len(experiment.variants)
    alpha = experiment.alpha / comparisons
    shares = experiment.arms["primary"] / 100, min(experiment.variants.values()) / 100

    def power(units: int) -> float:
        control, variant = (share * units for share in shares)
        if metric.kind == "proportion":
            baseline = metric.baseline or 0.0
            return proportion_power(baseline, effect, control, variant, alpha)
        return mean_power(deviation, effect, control, variant, alpha)

    smallest = math.ceil(2 / min(shares))
    units = _smallest(power, smallest, experiment.power, metric.name)
    return Need(metric.name, metric.kind, metric.baseline, deviation, metric.minimum_effect, units)


def _deviation(metric: Metric, effect: float) -> float:
    if metric.kind == "mean":
        if metric.standard_deviation is None:
            raise ModelctlError(
                f"{metric.name} cannot be planned",
                expected="standardDeviation of the metric between units",
                fix="take it from units of the last weeks",
            )
        return metric.standard_deviation
    if metric.baseline is None:
        raise ModelctlError(
            f"{metric.name} cannot be planned",
            expected="baseline: the proportion in the primary arm",
            fix="take it from units of the last weeks",
        )
    other = metric.baseline + effect
    if not (0 <= other <= 1 and 0 < metric.baseline < 1):
        raise ModelctlError(
            f"{metric.name} cannot change by {effect:g}",
            expected="proportions from 0 to 1",
            found=f"{metric.baseline:g} and {other:g}",
            fix="correct baseline, minimumEffect or direction",
        )
    return math.sqrt(metric.baseline * (1 - metric.baseline))


def _smallest(power: Callable[[int], float], low: int, target: float, name: str) -> int:
    """The smallest number with at least that power, which grows with it."""
    high = low
    while power(high) < target:
        high *= 2
        if high > MAX_UNITS:
            raise ModelctlError(
                f"{name}: more than {MAX_UNITS:,} units would be needed",
                fix="ask for a larger minimumEffect",
            )
    while low < high:
        middle = (low + high) // 2
        if power(middle) < target:
            low = middle + 1
        else:
            high = middle
    return high
