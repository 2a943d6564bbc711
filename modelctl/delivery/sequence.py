"""Confidence sequences: bounds of a difference that hold at every look, however often one looks.

The normal mixture of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics, 2024; arXiv 2103.06476), after
Robbins (1970). With probability `1 - alpha` the true difference is in all intervals at once, so a
test may stop at the first that excludes a value. Asymptotic: as any test with an estimated variance
it needs some observations, see `share`.

Written by the variance of the estimate and not by a count: the paper's `n * r` is
`scale**2 / variance`. The width is then also right if the shares of traffic change on the way, and
`scale` has the unit of the difference: the intervals are tightest where one of about that size can
be told from none.

The recording rules of the chart compute `share_bounds`, `mean_bounds` and `index_bounds` in PromQL
(charts/ml-model/files/verdict.yaml). Pure: knows neither files nor Prometheus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Arm(NamedTuple):
    """What is known of one arm: the mean of `size` observations, and the variance of one."""

    size: float
    mean: float
    variance: float


class Interval(NamedTuple):
    """A difference, first arm minus second, and its bounds."""

    lower: float
    estimate: float
    upper: float


def radius(variance: float, *, scale: float, alpha: float, dimensions: int = 1) -> float:
    """Half the width of the confidence sequence of an estimate with that variance.

    `dimensions` above 1: the radius of a ball around a vector whose numbers, in suitable axes, each
    have the variance. Infinite without variance, which one value alone or equal ones have.
    """
    if not variance > 0:
        return math.inf
    spread = scale**2 / variance
    log = dimensions / 2 * math.log1p(spread) - math.log(alpha)
    return math.sqrt(2 * variance * (1 + 1 / spread) * log)


def share(successes: float, count: float) -> Arm:
    """An arm of which a share is measured; its variance from two more of either outcome.

    So Agresti and Coull (1998): no success in a few observations would else have a variance of zero
    and be a certainty.
    """
    smooth = (successes + 2) / (count + 4)
    return Arm(count, successes / count, smooth * (1 - smooth))


def difference(first: Arm, second: Arm, *, alpha: float, scale: float) -> Interval:
    """The difference of two means or shares, first minus second."""
    estimate = first.mean - second.mean
    variance = first.variance / first.size + second.variance / second.size
    half = radius(variance, scale=scale, alpha=alpha)
    return Interval(estimate - half, estimate, estimate + half)


class Counts(NamedTuple):
    """What both arms counted in the same short time: an amount of `count` observations each.

    The amount is a number of events among them, such as errors, or a sum of their values.
    """

    canary: float
    canary_count: float
    stable: float
    stable_count: float


@dataclass(frozen=True)
class Tally:
    """Counts of many short times, added up so that only arms of the same time are compared.

    Each time weighs `n1 * n0 / (n1 + n0)`, as Mantel and Haenszel weigh strata: if all requests
    fail more often for an hour in which the canary has a larger share of them, neither arm is
    worse. `weight` is the sum, and the number of observations that the difference is worth.
    """

    weight: float
    canary: float
    stable: float
    squares: float  # of the times' differences
    products: float  # difference by weight
    weight_squares: float
    # Of means only, see `spread`: times with one right before them.
    steps: float = 0.0
    stepped: float = 0.0  # their weight

    @property
    def estimate(self) -> float:
        """The difference, canary minus stable."""
        return (self.canary - self.stable) / self.weight

    @property
    def scatter(self) -> float:
        """The variance of the difference, from how much the times differ among each other.

        Larger than that of independent observations if they come in clusters.
        """
        slope = self.estimate
        total = self.squares - 2 * slope * self.products + slope**2 * self.weight_squares
        return max(total, 0.0) / self.weight**2

    @property
    def spread(self) -> float:
        """The variance of the difference if the canary's values differ as the stable version's do.

        From the steps of the stable version's mean between neighbouring times, so that a level
        which both arms follow over the day does not count. 0 without neighbours.
        """
        return self.steps / self.stepped / self.weight if self.stepped else 0.0


def tally(times: Iterable[Counts]) -> Tally:
    """Add up what both arms counted, time by time."""
    sums = [0.0] * 8
    before: Counts | None = None
    for each in times:
        if not each.canary_count * each.stable_count:
            before = None
            continue
        both = each.canary_count + each.stable_count
        weight = each.canary_count * each.stable_count / both
        canary = each.canary * each.stable_count / both
        stable = each.stable * each.canary_count / both
        gap = canary - stable
        step = weight * _squared_step(before, each) if before else 0.0
        alone = (weight, canary, stable, gap**2, gap * weight, weight**2)
        parts = (*alone, step, weight if before else 0.0)
        sums = [total + part for total, part in zip(sums, parts, strict=True)]
        before = each
    return Tally(*sums)


def _squared_step(before: Counts, now: Counts) -> float:
    """An unbiased estimate of the variance of one value of the stable version."""
    step = now.stable / now.stable_count - before.stable / before.stable_count
    return step**2 / (1 / now.stable_count + 1 / before.stable_count)


# The lower bound is tightest for a difference of so many margins: what is worth aborting is well
# beyond the margin, and the boundary hardly depends on it.
REACH = 5


class Limits(NamedTuple):
    """When a canary is worse: by more than `margin`, the largest difference that is tolerated.

    `worse` and `better` are the chances to find it beyond the margin, or within, if it is not.
    """

    margin: float
    worse: float
    better: float


def share_bounds(evidence: Tally, limits: Limits) -> Interval:
    """How much larger the canary's share is.

    The upper bound takes the variance that the canary would have at the margin: no error in a few
    requests does not prove that there will be none.
    """

    def spread(value: float) -> float:
        return value * (1 - value)

    amounts = (evidence.canary, evidence.stable)
    canary, stable = ((amount + 0.5) / (evidence.weight + 1) for amount in amounts)
    seen = max(spread(canary), spread(stable))
    supposed = max(seen, spread(min(stable + limits.margin, 1.0)))
    return _around(
        evidence.estimate,
        max(seen / evidence.weight, evidence.scatter),
        max(supposed / evidence.weight, evidence.scatter),
        limits,
    )


def mean_bounds(evidence: Tally, limits: Limits) -> Interval:
    """How much larger the canary's mean is.

    Of rare, large values a canary with few observations has not seen enough to scatter as they do,
    so it counts as scattering no less than the stable version.
    """
    variance = max(evidence.scatter, evidence.spread)
    return _around(evidence.estimate, variance, variance, limits)


def _around(estimate: float, low: float, high: float, limits: Limits) -> Interval:
    return Interval(
        estimate - radius(low, scale=REACH * limits.margin, alpha=limits.worse),
        estimate,
        estimate + radius(high, scale=limits.margin, alpha=limits.better),
    )


def index_bounds(
    bins: Sequence[tuple[float, float]], weight: float, limits: Limits, rows: float = 1.0
) -> Interval:
    """The population stability index of two arms, from canary and stable of each bin's tally.

    `rows` is the mean number of rows of a request: as they are often alike, they count as one. The
    root of the index is a distance for small differences, so the noise widens it on both sides.
    """
    total = weight + len(bins) / 2
    shares = [((canary + 0.5) / total, (stable + 0.5) / total) for canary, stable in bins]
    index = sum((canary - stable) * math.log(canary / stable) for canary, stable in shares)
    root = math.sqrt(max(index, 0.0))
    low, high = (
        radius(rows / weight, scale=math.sqrt(margin), alpha=alpha, dimensions=len(bins) - 1)
        for margin, alpha in (
            (REACH * limits.margin, limits.worse),
            (limits.margin, limits.better),
        )
    )
    return Interval(max(root - low, 0.0) ** 2, index, (root + high) ** 2)
