"""Means of rare, skewed values: most units spend nothing, a few spend much, and one arm is small.

Such an arm often has no buyer for long, and its own variance is then that of the noise. The streams
and the truth are numpy's alone; `decides` looks as `analyse` does and says what it would have said.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from modelctl.delivery import analysis, statistics
from modelctl.delivery.outcomes import Outcomes
from tests.modelctl.delivery.experiment_files import experiment, mean
from tests.modelctl.delivery.test_analysis import AFTER, DURING

Numbers = NDArray[np.float64]
Law = Callable[[np.random.Generator, int], Numbers]
RUNS, ALPHA = 60, 0.05
# The units of the smaller arm at each look.
LOOKS = (100, 150, 220, 330, 500)


def baskets(buyers: float) -> Law:
    return lambda rng, size: (rng.random(size) < buyers) * rng.gamma(4, 12.5, size)


LAWS: dict[str, Law] = {
    "1% buy": baskets(0.01),
    "5% buy": baskets(0.05),
    "0.2% buy": baskets(0.002),
    "refunds": lambda rng, size: -1.0 * baskets(0.02)(rng, size),
    "gamma": lambda rng, size: rng.gamma(0.05, 1, size),
    "lognormal": lambda rng, size: rng.lognormal(0, 1.5, size),
    "Pareto": lambda rng, size: rng.pareto(2.5, size),
}
# Numpy's own estimates of mean and standard deviation, from 300,000 draws.
DRAWN = {name: law(np.random.default_rng(1), 300_000) for name, law in LAWS.items()}


def most(runs: int) -> int:
    """The false alarms that a procedure with the promised rate exceeds in one of 10,000 tests."""
    return int(binom.ppf(0.9999, runs, ALPHA))


class Seen(Outcomes):
    """Units of the primary, then those of the variant: the arms are slices, so looks are cheap."""

    def count(self, arm: str) -> int:
        return len(self.of(self.values["revenue"], arm))

    def of(self, column: Numbers, arm: str) -> Numbers:
        first = self.rows
        return column[:first] if arm == "primary" else column[first:]


def outcomes(control: Numbers, variant: Numbers, before: list[Numbers] | None = None) -> Outcomes:
    values = {"revenue": np.concatenate([control, variant])}
    earlier = {"revenue": np.concatenate(before)} if before else {}
    return Seen([], [], values, earlier, len(control))


def counts(share: int, smaller: int) -> tuple[int, int]:
    """Units of the primary and of a variant with that share, the smaller arm having so many."""
    ratio = share / (100 - share)
    return (round(smaller / ratio), smaller) if ratio < 1 else (smaller, round(smaller * ratio))


@pytest.mark.parametrize("share", [10, 90])
@pytest.mark.parametrize("law", LAWS)
def test_arms_alike_are_called_different_as_rarely_as_promised(law: str, share: int) -> None:
    rng, alarms = np.random.default_rng([20261126, share]), 0
    size = 0.1 * float(DRAWN[law].std())
    plan = experiment(
        arms={"primary": 100 - share, "forest": share}, metrics=[mean(minimumEffect=size)]
    )
    for _ in range(RUNS):
        control, variant = (LAWS[law](rng, count) for count in counts(share, LOOKS[-1]))
        for smaller in LOOKS:
            of_control, of_variant = counts(share, smaller)
            seen = outcomes(control[:of_control], variant[:of_variant])
            result = analysis.analyse("iris", "production", plan, seen, DURING)
            if result.decision("forest") != "continue":
                alarms += 1
                break
    assert alarms <= most(RUNS)


@pytest.mark.parametrize("factor", [2.5, 0.4])
@pytest.mark.parametrize("share", [50, 10])
@pytest.mark.parametrize("law", ["1% buy", "gamma"])
def test_a_guardrail_at_its_margin_holds_or_breaks_as_rarely_as_promised(
    law: str, share: int, factor: float
) -> None:
    """The variant is worse by the margin exactly; neither bound may say that it surely is not."""
    rng, alarms = np.random.default_rng([20261126, share]), 0
    loss = abs(factor - 1) * float(DRAWN[law].mean())
    guardrail = {
        "name": "revenue",
        "kind": "mean",
        "direction": "decrease" if factor > 1 else "increase",
        "margin": loss,
    }
    plan = experiment(arms={"primary": 100 - share, "forest": share}, guardrails=[guardrail])
    for _ in range(RUNS):
        control, variant = (LAWS[law](rng, count) for count in counts(share, LOOKS[-1]))
        for smaller in LOOKS:
            of_control, of_variant = counts(share, smaller)
            seen = outcomes(control[:of_control], variant[:of_variant] * factor)
            accepted = np.zeros(of_control + of_variant)
            both = Seen([], [], {**seen.values, "accepted": accepted}, {}, of_control)
            result = analysis.analyse("iris", "production", plan, both, DURING)
            if result.findings[1].level in ("holds", "broken"):
                alarms += 1
                break
    assert alarms <= most(RUNS)


def test_cuped_does_not_bring_the_fault_back() -> None:
    rng, alarms = np.random.default_rng(20261126), 0
    plan = experiment(
        arms={"primary": 90, "forest": 10},
        metrics=[mean(minimumEffect=0.5, prePeriod="revenue_before")],
    )
    for _ in range(RUNS):
        sizes = counts(10, LOOKS[-1])
        before = [baskets(0.01)(rng, size) for size in sizes]
        after = [
            baskets(0.01)(rng, size) + 0.5 * each for size, each in zip(sizes, before, strict=True)
        ]
        for smaller in LOOKS:
            now = counts(10, smaller)
            cut = [[arm[:size] for arm, size in zip(part, now, strict=True)]
                   for part in (after, before)]  # fmt: skip
            seen = outcomes(cut[0][0], cut[0][1], cut[1])
            result = analysis.analyse("iris", "production", plan, seen, DURING)
            if result.decision("forest") != "continue":
                alarms += 1
                break
    assert alarms <= most(RUNS)


@pytest.mark.parametrize("share", [10, 90])
@pytest.mark.parametrize("law", ["1% buy", "refunds"])
def test_the_test_at_the_end_is_held_to_its_alpha_as_well(law: str, share: int) -> None:
    rng = np.random.default_rng([20261126, share])
    plan = experiment(arms={"primary": 100 - share, "forest": share}, metrics=[mean()])
    for smaller in (LOOKS[0], LOOKS[-1]):
        alarms = 0
        for _ in range(RUNS):
            control, variant = (LAWS[law](rng, count) for count in counts(share, smaller))
            result = analysis.analyse("iris", "production", plan, outcomes(control, variant), AFTER)
            alarms += result.decision("forest") != "inconclusive"
        assert alarms <= most(RUNS)


def test_an_effect_on_rare_baskets_is_still_found() -> None:
    rng, found, runs = np.random.default_rng(20261126), 0, 20
    plan = experiment(metrics=[mean(minimumEffect=1.0)])
    for _ in range(runs):
        control, variant = baskets(0.05)(rng, 20_000), baskets(0.07)(rng, 20_000)
        result = analysis.analyse("iris", "production", plan, outcomes(control, variant), DURING)
        found += result.decision("forest") == "promote"
    assert found >= 0.9 * runs


def test_too_few_units_that_carry_the_variance_are_named() -> None:
    rng = np.random.default_rng(20261126)
    plan = experiment(arms={"primary": 90, "forest": 10}, metrics=[mean()])
    for now in (DURING, AFTER):
        seen = outcomes(baskets(0.05)(rng, 9000), np.zeros(1000))
        result = analysis.analyse("iris", "production", plan, seen, now)
        assert result.findings[0].level == "few"
        (note,) = [note for note in result.notes if "variance" in note]
        assert "revenue" in note
        assert "forest" in note


def test_the_weight_of_the_variance_of_equal_deviations_is_their_number() -> None:
    assert statistics.carriers(np.array([1.0, -1.0] * 25)) == pytest.approx(50)
    assert statistics.carriers(np.array([0.0] * 999 + [1.0])) == pytest.approx(1.0, abs=0.01)
    assert statistics.carriers(np.full(50, 0.1)) == 0
