"""Each measure against its definition, and against what chance really gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from app.model.feature import Feature
from modelctl.drift import measures, outliers, performance
from modelctl.errors import ModelctlError

CHANCE = np.random.default_rng(0)
FLOAT = np.float64


def test_psi_is_its_definition() -> None:
    live, reference = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    expected = 0.3 * math.log(0.5001 / 0.2001) - 0.2 * math.log(0.3001 / 0.5001)
    expected -= 0.1 * math.log(0.2001 / 0.3001)
    assert measures.psi(live, reference) == pytest.approx(expected, rel=1e-12)
    assert measures.psi(reference, reference) == 0
    assert measures.psi(np.array([1.0, 0.0]), np.array([0.0, 1.0])) < 20


def test_a_bin_that_is_empty_on_both_sides_changes_nothing() -> None:
    live, reference = np.array([0.4, 0.6]), np.array([0.5, 0.5])
    wider = measures.psi(np.append(live, 0.0), np.append(reference, 0.0))
    assert wider == measures.psi(live, reference)


@pytest.mark.parametrize(("rows", "sample"), [(1000, 150), (500, 10_000)])
def test_chance_exceeds_its_bound_once_in_a_hundred(rows: int, sample: int) -> None:
    shares = np.full(10, 0.1)
    bound = measures.chance(10, rows, sample)
    found = [
        measures.psi(
            CHANCE.multinomial(rows, shares) / rows, CHANCE.multinomial(sample, shares) / sample
        )
        for _ in range(4000)
    ]
    # A binomial of 4,000 draws at 1 % is 40 +- 6.3; the bound itself is an approximation.
    assert 10 < sum(index > bound for index in found) < 120


def test_chi_square_is_that_of_the_whole_table() -> None:
    live, reference = np.array([60.0, 40.0, 25.0]), np.array([50.0, 50.0, 20.0])
    found = measures.chi_square(live, reference)
    assert found is not None
    table = np.vstack([live, reference])
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    assert found.statistic == pytest.approx(statistic)
    assert found.p == pytest.approx(stats.chi2.sf(statistic, 2))


def test_bins_of_few_rows_are_put_together() -> None:
    live, reference = np.array([500.0, 2.0, 1.0, 0.0]), np.array([150.0, 0.0, 1.0, 0.0])
    found = measures.chi_square(live, reference)
    pooled = measures.chi_square(np.array([500.0, 3.0]), np.array([150.0, 1.0]))
    assert found == pooled


def test_chi_square_has_nothing_to_say_of_one_bin() -> None:
    assert measures.chi_square(np.array([5.0]), np.array([9.0])) is None
    assert measures.chi_square(np.zeros(3), np.ones(3)) is None


def test_the_distance_at_edges_is_close_to_the_true_one_and_never_more() -> None:
    sample = CHANCE.normal(size=2000)
    live = CHANCE.normal(0.3, size=1500)
    edges = np.quantile(sample, np.linspace(0, 1, 11))
    below = np.array([(sample < edge).mean() for edge in edges])
    whole = measures.kolmogorov_smirnov(live, sample)
    coarse = measures.kolmogorov_smirnov_at_edges(live, below, edges, len(sample))
    assert whole is not None
    assert coarse is not None
    assert 0.8 * whole.statistic < coarse.statistic <= whole.statistic + 1e-12
    assert coarse.p >= whole.p


def test_a_combination_that_never_occurred_is_an_outlier() -> None:
    features = [Feature(name, "float", None, None, None, "refuse") for name in "ab"]
    first = CHANCE.normal(size=1000)
    known = {"a": first, "b": first + CHANCE.normal(0, 0.1, 1000)}
    same = CHANCE.normal(size=1000)
    usual = {"a": same, "b": same + CHANCE.normal(0, 0.1, 1000)}
    # The same values, only not together.
    shuffled = {"a": usual["a"], "b": CHANCE.permutation(usual["b"])}
    calm, wild = (outliers.find(features, live, known) for live in (usual, shuffled))
    assert calm is not None
    assert wild is not None
    assert calm.ratio < 2
    assert wild.ratio > 2.5
    assert 0.02 < calm.expected < 0.12


def test_a_metric_is_worse_only_when_chance_cannot_explain_it() -> None:
    true = ["a", "b"] * 500
    wrong = [*true[:100][::-1], *true[100:]]
    (metric,) = performance.compare({"accuracy": 1.0, "own": 3}, true, wrong)
    assert metric.live == 0.9
    assert metric.low < 0.9 < metric.high
    assert metric.loss == pytest.approx(1 - metric.high)
    (same,) = performance.compare({"accuracy": 0.9}, true, wrong)
    assert same.loss == 0


def test_errors_are_worse_when_they_grow() -> None:
    true = list(CHANCE.normal(10, 1, 500))
    found = [value + 2 for value in true]
    (metric,) = performance.compare({"mae": 0.5}, true, found)
    assert metric.live == pytest.approx(2)
    assert metric.loss == pytest.approx(3, rel=0.01)


def test_a_handful_of_labels_says_nothing() -> None:
    with pytest.raises(ModelctlError, match="too few labels"):
        performance.compare({"accuracy": 1.0}, ["a"] * 29, ["a"] * 29)
