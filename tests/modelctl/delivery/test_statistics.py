"""The statistics of two arms, beside scipy and statsmodels and on arms of known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, ttest_ind
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from modelctl.delivery import statistics

Numbers = NDArray[np.float64]


def binary(successes: int, count: int) -> Numbers:
    return np.repeat([1.0, 0.0], [successes, count - successes])


counts = st.integers(2, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=150, deadline=None)
@given(counts, counts, st.sampled_from([0.05, 0.1, 0.01]))
def test_two_proportions_agree_with_statsmodels(
    control: tuple[int, int], variant: tuple[int, int], alpha: float
) -> None:
    effect = statistics.two_proportions(binary(*control), binary(*variant), alpha)
    low, high = confint_proportions_2indep(*variant, *control, method="newcomb", alpha=alpha)
    assert (effect.low, effect.high) == pytest.approx((low, high), abs=1e-9)
    successes = control[0] + variant[0]
    if 0 < successes < control[1] + variant[1]:
        _, p = proportions_ztest([variant[0], control[0]], [variant[1], control[1]])
        assert effect.p == pytest.approx(p, abs=1e-9)
    else:
        assert effect.p == 1.0


samples = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=60).map(np.array)


# Of one arm without variance.
@pytest.mark.filterwarnings("ignore:Precision loss occurred")
@settings(max_examples=100, deadline=None)
@given(samples, samples, st.sampled_from([0.05, 0.2]))
def test_welch_agrees_with_scipy(control: Numbers, variant: Numbers, alpha: float) -> None:
    effect = statistics.welch(control, variant, alpha)
    assume(np.ptp(control) + np.ptp(variant) > 0)
    expected = ttest_ind(variant, control, equal_var=False)
    bounds = expected.confidence_interval(1 - alpha)
    assert effect.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (effect.low, effect.high) == pytest.approx(tuple(bounds), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("value", [3.0, 0.1, 1e-9, 0.0, -1e12])
def test_without_variance_nothing_is_claimed(value: float) -> None:
    equal = np.full(50, value)
    for effect in (
        statistics.welch(equal, equal + 1, 0.05),
        statistics.sequential(equal, equal + 1, 0.05, scale=1.0, binary=False),
    ):
        assert (effect.low, effect.high, effect.p) == (-math.inf, math.inf, 1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(values: list[float]) -> None:
    assert statistics.holm(values) == pytest.approx(multipletests(values, method="holm")[1])


@settings(deadline=None)
@given(st.integers(1, 99), st.integers(0, 500), st.integers(1, 500))
def test_the_sample_ratio_of_two_arms_is_a_test_of_one_proportion(
    share: int, first: int, second: int
) -> None:
    p = statistics.sample_ratio([first, second], [share, 100 - share])
    total, part = first + second, share / 100
    _, expected = proportions_ztest(first, total, part, prop_var=part)
    assert p == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_cuped_is_the_effect_of_a_regression_on_the_pre_period() -> None:
    rng = np.random.default_rng(7)
    before = [rng.normal(10, 3, size) for size in (400, 300)]
    values = [
        each + rng.normal(effect, 1, len(each))
        for each, effect in zip(before, (0, 0.3), strict=True)
    ]
    adjusted = statistics.cuped(values, before)
    arm = np.repeat([0.0, 1.0], [400, 300])
    design = np.column_stack([np.ones(700), arm, np.concatenate(before)])
    expected = OLS(np.concatenate(values), design).fit().params[1]
    effect = statistics.welch(adjusted.values[0], adjusted.values[1], 0.05)
    assert effect.difference == pytest.approx(expected, rel=1e-9)
    # Nine tenths of the variance were there before.
    assert adjusted.removed == pytest.approx(0.9, abs=0.03)
    raw = statistics.welch(values[0], values[1], 0.05)
    assert effect.high - effect.low < 0.4 * (raw.high - raw.low)


def test_cuped_leaves_units_without_a_pre_period_as_they_are() -> None:
    values = [np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])]
    nothing = [np.full(3, math.nan), np.full(2, math.nan)]
    adjusted = statistics.cuped(values, nothing)
    assert adjusted.removed == 0
    assert [each.tolist() for each in adjusted.values] == [[1, 2, 3], [2, 4]]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(400, 4000), st.floats(0.005, 0.2))
def test_a_sequential_p_value_is_where_the_interval_touches_zero(
    first: int, second: int, count: int, scale: float
) -> None:
    control, variant = binary(first, count), binary(second, count)
    p = statistics.sequential(control, variant, 0.05, scale=scale, binary=True).p
    if 1e-12 < p < 0.999:
        at = statistics.sequential(control, variant, p, scale=scale, binary=True)
        nearest = min(abs(at.low), abs(at.high))
        assert nearest == pytest.approx(0, abs=1e-6 * (at.high - at.low))


def may_exceed(limit: float, runs: int) -> int:
    """The number of errors that a procedure with that rate exceeds in one of 10,000 tests."""
    return int(binom.ppf(0.9999, runs, limit))


@pytest.mark.parametrize("kind", ["proportion", "mean", "skewed"])
def test_a_sequence_covers_the_truth_at_all_looks_together(kind: str) -> None:
    rng, runs, missed = np.random.default_rng(11), 400, 0
    truth = {"proportion": 0.02, "mean": 0.3, "skewed": 0.2}[kind]
    for _ in range(runs):
        if kind == "proportion":
            control, variant = (
                (rng.random(3000) < share).astype(float) for share in (0.1, 0.1 + truth)
            )
        elif kind == "mean":
            control, variant = rng.normal(0, 2, 3000), rng.normal(truth, 3, 3000)
        else:
            control, variant = rng.exponential(1, 3000), rng.exponential(1 + truth, 3000)
        looks = [
            statistics.sequential(
                control[:at],
                variant[:at],
                0.1,
                scale=truth,
                binary=kind == "proportion",
            )
            for at in range(100, 3001, 100)
        ]
        missed += not all(look.low <= truth <= look.high for look in looks)
    assert missed <= may_exceed(0.1, runs)


def test_looking_again_and_again_keeps_false_positives_below_alpha() -> None:
    rng, runs = np.random.default_rng(12), 400
    sequential = repeated = 0
    for _ in range(runs):
        control, variant = ((rng.random(4000) < 0.1).astype(float) for _ in range(2))
        looks = [(control[:at], variant[:at]) for at in range(100, 4001, 100)]
        sequential += any(
            statistics.sequential(*look, 0.05, scale=0.02, binary=True).p < 0.05 for look in looks
        )
        repeated += any(statistics.two_proportions(*look, 0.05).p < 0.05 for look in looks)
    assert sequential <= may_exceed(0.05, runs)
    # What the sequence is for: the fixed test, looked at as often, is wrong several times as often.
    assert repeated > 3 * 0.05 * runs


def test_a_sequence_finds_an_effect_that_is_there() -> None:
    rng, runs = np.random.default_rng(13), 200
    found = 0
    for _ in range(runs):
        control, variant = ((rng.random(8000) < share).astype(float) for share in (0.1, 0.13))
        found += any(
            statistics.sequential(control[:at], variant[:at], 0.05, scale=0.02, binary=True).low > 0
            for at in range(500, 8001, 500)
        )
    assert found > 0.95 * runs


def test_the_sample_ratio_check_finds_lost_units_and_leaves_sound_experiments_alone() -> None:
    rng, runs = np.random.default_rng(14), 2000
    arms = rng.binomial(20_000, 0.5, runs)
    alarms = sum(statistics.sample_ratio([n, 20_000 - n], [50, 50]) < 0.001 for n in arms.tolist())
    assert alarms <= may_exceed(0.001, runs)
    kept = rng.binomial(arms, 0.93)
    detected = sum(
        statistics.sample_ratio([n, 20_000 - all_of], [50, 50]) < 0.001
        for n, all_of in zip(kept.tolist(), arms.tolist(), strict=True)
    )
    assert detected > 0.95 * runs
