"""Measures of the difference between two distributions. Pure: arrays in, numbers out.

The population stability index decides, because it does not grow with traffic. With enough rows any
hypothesis test detects any difference, so p-values only accompany it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# Keeps empty bins finite, as in the recording rules (charts/ml-model/files/rules.yaml).
EPSILON = 0.0001
# Bins with fewer expected rows are pooled for the chi-square test (Cochran 1954).
MIN_EXPECTED = 5.0
# Without drift the index exceeds `chance` in one of a hundred features.
CHANCE = 0.99


@dataclass(frozen=True)
class Test:
    """A test statistic and its p-value."""

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
    """The index that is exceeded in one of a hundred cases without drift.

    It is then distributed as (1/n + 1/m) times chi-square with bins - 1 degrees of freedom
    (Yurdakul & Naranjo, Statistical properties of the population stability index, Journal of Risk
    Model Validation 14(4), 2020). A sample of 150 rows alone gives an index of 0.06 on average.
    """
    if bins < 2 or rows <= 0 or reference_rows <= 0:
        return 0.0
    return float((1 / rows + 1 / reference_rows) * stats.chi2.ppf(CHANCE, bins - 1))


def chi_square(live: Numbers, reference: Numbers) -> Test | None:
    """Pearson's test of homogeneity of two lists of counts; None if there is only one bin.

    The reference is a sample too, hence two rows of a contingency table and not a fit to known
    probabilities (Agresti, Categorical Data Analysis, 2013, chapter 3).
    """
    table = _pooled(np.vstack([live, reference]))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    result = stats.chi2_contingency(table, correction=False)
    return Test(float(result.statistic), float(result.pvalue))


def kolmogorov_smirnov(live: Numbers, reference: Numbers) -> Test | None:
    """The two-sample test: the largest distance between both distribution functions.

    Smirnov (1948), as in scipy.stats.ks_2samp with the asymptotic p-value (Hodges 1958).
    """
    if not (len(live) and len(reference)):
        return None
    result = stats.ks_2samp(live, reference, method="asymp")
    return Test(float(result.statistic), float(result.pvalue))


def kolmogorov_smirnov_at_edges(
    live: Numbers, below_edges: Numbers, edges: Numbers, reference_rows: float
) -> Test | None:
    """The same test if only the reference's shares below some edges are known.

    The largest distance at those edges is a lower bound of the true one, so a small p-value is as
    reliable as that of the full test, while a large one is less conclusive.
    """
    if not len(live) or reference_rows <= 0 or not len(edges):
        return None
    live_below = np.searchsorted(np.sort(live), edges, side="left") / len(live)
    distance = float(np.abs(live_below - below_edges).max())
    effective = len(live) * reference_rows / (len(live) + reference_rows)
    return Test(distance, float(stats.kstwobign.sf(np.sqrt(effective) * distance)))


def _pooled(table: Numbers) -> Numbers:
    """The table with its columns of few expected rows pooled."""
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    if not total:
        return table
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    few = (expected < MIN_EXPECTED).any(axis=0)
    if few.sum() < 2:
        return table
    return np.column_stack([table[:, ~few], table[:, few].sum(axis=1)])
