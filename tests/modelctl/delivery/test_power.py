"""Sample sizes, beside those of statsmodels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from modelctl.delivery import power
from modelctl.errors import ModelctlError
from tests.modelctl.delivery.experiment_files import experiment, mean, metric

shares = st.integers(5, 95)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.6), st.floats(0.01, 0.3), shares, st.integers(50, 50_000))
def test_power_of_proportions_is_that_of_statsmodels(
    baseline: float, effect: float, share: int, units: int
) -> None:
    control, variant = units * (100 - share) / 100, units * share / 100
    # Its arms are the other way round: the first is the one with the effect.
    expected = power_proportions_2indep(
        effect, baseline, variant, ratio=control / variant, alpha=0.05, return_results=False
    )
    assert power.proportion_power(baseline, effect, control, variant, 0.05) == pytest.approx(
        expected, abs=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 1), shares, st.integers(20, 5_000))
def test_power_of_means_is_that_of_statsmodels(effect: float, share: int, units: int) -> None:
    control, variant = units * (100 - share) / 100, units * share / 100
    expected = TTestIndPower().power(effect, variant, 0.05, ratio=control / variant)
    found = power.mean_power(2.0, 2 * effect, control, variant, 0.05)
    # With an effect that nobody can miss the library has no value at times.
    assert found == pytest.approx(1.0 if np.isnan(expected) else expected, abs=1e-6)


@pytest.mark.parametrize("share", [50, 10])
@pytest.mark.parametrize("entry", [metric(), mean()], ids=["proportion", "mean"])
def test_the_planned_number_is_the_smallest_with_the_power(
    entry: dict[str, Any], share: int
) -> None:
    plan = experiment(arms={"primary": 100 - share, "forest": share}, metrics=[entry])
    units = power.need(plan.metrics[0], plan).units

    def reached(number: int) -> float:
        control, variant = number * (100 - share) / 100, number * share / 100
        if entry["kind"] == "proportion":
            found = power_proportions_2indep(
                0.02, 0.1, variant, ratio=control / variant, alpha=0.05, return_results=False
            )
        else:
            found = TTestIndPower().power(0.1, variant, 0.05, ratio=control / variant)
        return float(found)

    assert reached(units) >= 0.8 > reached(units - 1)


def test_more_metrics_and_variants_need_more_units() -> None:
    one = experiment()
    two = experiment(metrics=[metric(), mean()])
    both = experiment(arms={"primary": 50, "forest": 25, "linear": 25})
    single = power.need(one.metrics[0], one).units
    assert power.need(two.metrics[0], two).units > single
    assert power.need(both.metrics[0], both).units > 1.5 * single


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (metric(baseline=None), "baseline"),
        (mean(standardDeviation=None), "standardDeviation"),
        (metric(baseline=0.99), "cannot change by 0.02"),
        (metric(direction="decrease", baseline=0.01), "cannot change by -0.02"),
        (mean(minimumEffect=1e-9), "larger minimumEffect"),
    ],
)
def test_a_metric_that_cannot_be_planned_says_what_is_missing(
    entry: dict[str, Any], message: str
) -> None:
    plan = experiment(metrics=[entry])
    with pytest.raises(ModelctlError, match=message):
        power.need(plan.metrics[0], plan)
