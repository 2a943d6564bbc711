"""The confidence sequence beside a mixture integrated numerically, and beside simulated truth.

`EXCESS` allows a simulated rate this many standard errors above what is promised.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from modelctl.delivery import sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

STREAMS, EXCESS = 1000, 3.0
ALPHA = 0.05


def log_mixture(deviation: float, variance: float, scale: float) -> float:
    """The likelihood ratio of a Gaussian estimate, averaged over normal effects by quadrature."""

    def log_integrand(effect: float) -> float:
        ratio = (effect * deviation - effect**2 / 2) / variance
        return ratio + float(stats.norm.logpdf(effect, scale=scale))

    centre = deviation * scale**2 / (scale**2 + variance)
    width = 12 / math.sqrt(1 / variance + 1 / scale**2)
    top = log_integrand(centre)
    area, _ = integrate.quad(
        lambda effect: math.exp(log_integrand(effect) - top), centre - width, centre + width
    )
    return top + math.log(area)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("alpha", [0.05, 0.007])
@pytest.mark.parametrize("scale", [0.002, 0.3])
@pytest.mark.parametrize("ratio", [0.05, 1.0, 30.0])
def test_radius_is_where_the_integrated_mixture_reaches_one_over_alpha(
    ratio: float, scale: float, alpha: float, dimensions: int
) -> None:
    variance = scale**2 / ratio

    def excess(deviation: float) -> float:
        # A vector's is the product over its axes; the deviation lies along the first.
        others = (dimensions - 1) * log_mixture(0.0, variance, scale)
        return log_mixture(deviation, variance, scale) + others - math.log(1 / alpha)

    root = optimize.brentq(excess, 0.0, 60 * math.sqrt(variance), xtol=1e-14)
    found = sequence.radius(variance, scale=scale, alpha=alpha, dimensions=dimensions)
    assert found == pytest.approx(root, rel=1e-6)


def test_formula_is_that_of_the_paper() -> None:
    # The mean of t = 500 observations with variance 4, rho^2 = 0.02.
    t, sigma, rho2 = 500, 2.0, 0.02
    expected = sigma * math.sqrt(
        2 * (t * rho2 + 1) / (t**2 * rho2) * math.log(math.sqrt(t * rho2 + 1) / ALPHA)
    )
    found = sequence.radius(sigma**2 / t, scale=sigma * math.sqrt(rho2), alpha=ALPHA)
    assert found == pytest.approx(expected, rel=1e-12)


def rate_is_at_most(found: float, promised: float) -> bool:
    """Whether a rate of STREAMS is what was promised or less, but for chance."""
    return found <= promised + EXCESS * math.sqrt(promised * (1 - promised) / STREAMS)


Shares = tuple[float, float]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.01, 0.01), (0.001, 0.001), (0.02, 0.01)])
@pytest.mark.parametrize("split", [0.5, 0.1])
def test_all_looks_at_two_shares_cover_the_difference(shares: Shares, split: float) -> None:
    random = np.random.default_rng(20261126)
    looks, each = 60, 200
    counts = (round(each * split), each - round(each * split))
    first, second = (
        random.binomial(count, p, (STREAMS, looks)).cumsum(axis=1)
        for count, p in zip(counts, shares, strict=True)
    )
    missed = 0
    for stream in range(STREAMS):
        for look in range(looks):
            seen = [
                sequence.share(int(part[stream, look]), count * (look + 1))
                for part, count in zip((first, second), counts, strict=True)
            ]
            interval = sequence.difference(*seen, alpha=ALPHA, scale=0.01)
            if not interval.lower <= shares[0] - shares[1] <= interval.upper:
                missed += 1
                break
    assert rate_is_at_most(missed / STREAMS, ALPHA)


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_all_looks_at_two_means_cover_the_difference(law: str) -> None:
    random = np.random.default_rng(20261126)
    looks, each = 40, 50
    first = random.normal(3.0, 2.0, (STREAMS, looks * each))
    second = getattr(random, law)(2.0, size=(STREAMS, 2 * looks * each))
    missed = 0
    for one, other in zip(first, second, strict=True):
        for look in range(1, looks + 1):
            arms = [_arm(one[: look * each]), _arm(other[: 2 * look * each])]
            interval = sequence.difference(*arms, alpha=ALPHA, scale=0.3)
            if not interval.lower <= 1.0 <= interval.upper:
                missed += 1
                break
    assert rate_is_at_most(missed / STREAMS, ALPHA)


def _arm(values: NDArray[np.float64]) -> sequence.Arm:
    return sequence.Arm(len(values), float(values.mean()), float(values.var(ddof=1)))


def test_equal_values_prove_nothing() -> None:
    arm = _arm(np.array([3.0, 3.0]))
    interval = sequence.difference(arm, arm, alpha=ALPHA, scale=1.0)
    assert (interval.lower, interval.upper) == (-math.inf, math.inf)
