"""Numbers that say how different two distributions are. Pure: arrays in, numbers out.

Which one decides: the population stability index, because it does not grow with traffic. With
enough rows any test of a hypothesis finds any difference, so their p-values only accompany it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# What keeps an empty bin finite, as in the recording rules (charts/ml-model/files/rules.yaml).
EPSILON = 0.0001
# Bins with fewer expected rows are put together for the chi-square test (Cochran 1954).
LEAST_EXPECTED = 5.0
# Without drift an index is above its `chance` in one of a hundred features.
CHANCE = 0.99


@dataclass(frozen=True)
class Test:
    """A statistic, and how probable one at least as large is when nothing differs."""

    __test__ = False  # pytest collects by name

    statistic: float
    p: float


def psi(live: Numbers, reference: Numbers) -> float:
    """The population stability index of two lists of shares.

    sum((x - r) * ln(x / r)), the symmetrised divergence of Jeffreys (1946) and Kullback & Leibler
    (1951), in use for scorecards since Lewis (1994) with 0.1 and 0.25 as the usual thresholds
    (Siddiqi, Credit Risk Scorecards, 2006). EPSILON is added to both shares inside the logarithm.
    """
    return float(np.sum((live - reference) * np.log((live + EPSILON) / (reference + EPSILON))))


def chance(bins: int, rows: float, reference_rows: float) -> float:
    """What the index exceeds once in a hundred times when both come from the same distribution.

    It is then distributed as (1/n + 1/m) times chi-square with bins - 1 degrees of freedom
    (Yurdakul & Naranjo, Statistical properties of the population stability index, Journal of Risk
    Model Validation 14(4), 2020). A sample of 150 rows alone gives an index of 0.06 on average.
    """
    if bins < 2 or rows <= 0 or reference_rows <= 0:
        return 0.0
    return float((1 / rows + 1 / reference_rows) * stats.chi2.ppf(CHANCE, bins - 1))


def chi_square(live: Numbers, reference: Numbers) -> Test | None:
    """Pearson's test of homogeneity of two lists of counts; None where one bin is all there is.

    The reference is a sample too, hence two rows of a contingency table and not a fit to known
    probabilities (Agresti, Categorical Data Analysis, 2013, chapter 3).
    """
    table = _pooled(np.vstack([live, reference]))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    found = stats.chi2_contingency(table, correction=False)
    return Test(float(found.statistic), float(found.pvalue))


def kolmogorov_smirnov(live: Numbers, reference: Numbers) -> Test | None:
    """The two-sample test: the largest distance between both distribution functions.

    Smirnov (1948), as in scipy.stats.ks_2samp with the asymptotic p-value (Hodges 1958).
    """
    if not (len(live) and len(reference)):
        return None
    found = stats.ks_2samp(live, reference, method="asymp")
    return Test(float(found.statistic), float(found.pvalue))


def kolmogorov_smirnov_at_edges(
    live: Numbers, below_edges: Numbers, edges: Numbers, reference_rows: float
) -> Test | None:
    """The same when of the reference only its shares below some edges are known.

    The largest distance at those edges: never more than the true one, so that a small p-value is
    as sound as one of the whole test and a large one says less.
    """
    if not len(live) or reference_rows <= 0 or not len(edges):
        return None
    found = np.searchsorted(np.sort(live), edges, side="left") / len(live)
    distance = float(np.abs(found - below_edges).max())
    effective = len(live) * reference_rows / (len(live) + reference_rows)
    return Test(distance, float(stats.kstwobign.sf(np.sqrt(effective) * distance)))


def _pooled(table: Numbers) -> Numbers:
    """The table with its columns of few expected rows put together."""
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    if not total:
        return table
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    few = (expected < LEAST_EXPECTED).any(axis=0)
    if few.sum() < 2:
        return table
    return np.column_stack([table[:, ~few], table[:, few].sum(axis=1)])
