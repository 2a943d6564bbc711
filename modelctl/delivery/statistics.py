"""The statistics of two arms. Pure: numbers in, numbers out.

Before the planned end a confidence sequence (`modelctl/delivery/sequence.py`), whose intervals and
p-values hold at every look; at the planned end Welch's t-test of means, and of proportions the
z-test with the pooled variance and Newcombe's interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from modelctl.delivery import sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# Equal numbers differ by less, relative to their size, once they were added and divided.
ROUNDING = 1e-12
Method = Literal["two proportions", "Welch", "sequence"]


@dataclass(frozen=True)
class Effect:
    """A difference, variant minus control, its interval at `1 - alpha` and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float
    method: Method


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The p-value of a chi-square test that units arrived in the planned shares."""
    total = sum(counts)
    expected = [total * share / sum(shares) for share in shares]
    return float(stats.chisquare(counts, expected).pvalue)


def two_proportions(control: Numbers, variant: Numbers, alpha: float) -> Effect:
    """The difference of two proportions.

    z-test with the pooled variance (Agresti, Categorical Data Analysis, 2013, 3.1); the interval is
    method 10 of Newcombe (Statistics in Medicine 17, 1998), from the score interval of each arm,
    and stays meaningful with few or no events.
    """
    n0, n1 = len(control), len(variant)
    p0, p1 = float(control.mean()), float(variant.mean())
    pooled = float(control.sum() + variant.sum()) / (n0 + n1)
    variance = pooled * (1 - pooled) * (1 / n0 + 1 / n1)
    difference = p1 - p0
    p = 2 * float(stats.norm.sf(abs(difference) / math.sqrt(variance))) if variance > 0 else 1.0
    (low0, high0), (low1, high1) = _score(p0, n0, alpha), _score(p1, n1, alpha)
    low = difference - math.hypot(p1 - low1, high0 - p0)
    high = difference + math.hypot(high1 - p1, p0 - low0)
    return Effect(difference, low, high, p, "two proportions")


def welch(control: Numbers, variant: Numbers, alpha: float) -> Effect:
    """The difference of two means with unequal variances (Welch 1947).

    Without any variance nothing is known: the interval is infinite.
    """
    difference = float(variant.mean() - control.mean())
    parts = [_variance(each) / len(each) for each in (control, variant)]
    variance = sum(parts)
    if not variance > 0:
        return Effect(difference, -math.inf, math.inf, 1.0, "Welch")
    # Not the squares of the parts: those of tiny variances are zero.
    ratios = [part / variance for part in parts]
    freedom = 1 / sum(
        ratio**2 / (len(each) - 1) for ratio, each in zip(ratios, (control, variant), strict=True)
    )
    error = math.sqrt(variance)
    half = float(stats.t.ppf(1 - alpha / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return Effect(difference, difference - half, difference + half, p, "Welch")


def sequential(
    control: Numbers, variant: Numbers, alpha: float, *, scale: float, binary: bool
) -> Effect:
    """The difference at a look before the end, in a confidence sequence.

    `scale` is the size of a difference that matters; a p-value is the `alpha` at which the interval
    would just touch zero, and holds at every look as well. The variance of a mean is no smaller
    than that of both arms together: a small arm of rare values has none until the first comes.
    """
    first, second = _arm(variant, binary=binary), _arm(control, binary=binary)
    if not binary:
        first, second = _pooled(first, second)
    interval = sequence.difference(first, second, alpha=alpha, scale=scale)
    variance = first.variance / len(variant) + second.variance / len(control)
    p = _always_valid(interval.estimate, variance, scale)
    return Effect(interval.estimate, interval.lower, interval.upper, p, "sequence")


def carriers(values: Numbers) -> float:
    """How many units the variance of an arm rests on: with equal deviations all of them.

    The count of Kish (Survey Sampling, 1965), weighted by the squared deviations: the units divided
    by the kurtosis. Small if a few large values among many equal ones make the variance, so that
    another sample would have quite another.
    """
    if not _variance(values) > 0:
        return 0.0
    squares = (values - values.mean()) ** 2
    shares = squares / squares.max()
    return float(shares.sum() ** 2 / np.dot(shares, shares))


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the order given."""
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, values[at] * (len(values) - rank)))
        adjusted[at] = largest
    return adjusted


@dataclass(frozen=True)
class Adjusted:
    """Values of all arms, less what the pre-period explains; `removed` is the share of variance."""

    values: list[Numbers]
    removed: float


def cuped(values: Sequence[Numbers], before: Sequence[Numbers]) -> Adjusted:
    """Subtract what each unit's value before the experiment predicts of its value in it.

    Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data" (WSDM 2013). The slope is that within the arms, so that an effect
    does not change it; a unit without a value before has the mean and is not changed.
    """
    known = np.concatenate([each[~np.isnan(each)] for each in before])
    centre = float(known.mean()) if len(known) else 0.0
    filled = [np.where(np.isnan(each), centre, each) for each in before]
    own = [each - each.mean() for each in values]
    explaining = [each - each.mean() for each in filled]
    variance = sum(float(np.dot(each, each)) for each in explaining)
    if not variance > 0:
        return Adjusted(list(values), 0.0)
    slope = sum(float(np.dot(a, b)) for a, b in zip(own, explaining, strict=True)) / variance
    total = sum(float(np.dot(each, each)) for each in own)
    removed = slope**2 * variance / total if total > 0 else 0.0
    adjusted = [
        value - slope * (earlier - centre) for value, earlier in zip(values, filled, strict=True)
    ]
    return Adjusted(adjusted, removed)


def _score(share: float, count: int, alpha: float) -> tuple[float, float]:
    """Wilson's interval of one proportion."""
    z = float(stats.norm.ppf(1 - alpha / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) * z / (1 + z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _arm(values: Numbers, *, binary: bool) -> sequence.Arm:
    if binary:
        return sequence.share(float(values.sum()), len(values))
    return sequence.Arm(len(values), float(values.mean()), _variance(values))


def _pooled(first: sequence.Arm, second: sequence.Arm) -> tuple[sequence.Arm, sequence.Arm]:
    """Both arms with at least the variance within both together."""
    freedom = first.size + second.size - 2
    within = sum((arm.size - 1) * arm.variance for arm in (first, second)) / freedom
    return (
        first._replace(variance=max(first.variance, within)),
        second._replace(variance=max(second.variance, within)),
    )


def _variance(values: Numbers) -> float:
    """The variance between units; zero if only rounding tells the values apart."""
    variance = float(values.var(ddof=1))
    return variance if variance > (ROUNDING * float(np.abs(values).max())) ** 2 else 0.0


def _always_valid(difference: float, variance: float, scale: float) -> float:
    if not variance > 0:
        return 1.0
    spread = scale**2 / variance
    exponent = math.log1p(spread) / 2 - difference**2 / (2 * variance * (1 + 1 / spread))
    return math.exp(min(0.0, exponent))
