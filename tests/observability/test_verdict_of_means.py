"""Means of a shop's orders by the version that served them, judged in PromQL: by promtool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from modelctl.delivery import sequence
from modelctl.delivery.sequence import Counts, Limits, Tally
from tests.observability.arms import CANARY
from tests.observability.verdict import CHECKS, Test, bound_is, promtool, world

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

NEW, OLD = "1.2.0", "1.1.0"
STEPS, TOLERATED = 60, 1.5
LIMITS = Limits(TOLERATED, worse=0.05 / CHECKS, better=0.05)
Growth = dict[str, tuple["NDArray[Any]", "NDArray[Any]"]]


def shop(growth: Growth) -> dict[str, str]:
    """Counters of what each version sold, as they are scraped, from the orders and their sum."""
    series = {}
    for version, (orders, euros) in growth.items():
        for name, part in (("sum", euros), ("count", orders)):
            text = " ".join(str(int(value)) for value in part.cumsum())
            series[f'basket_euros_{name}{{version="{version}",job="shop"}}'] = text
    return series


def judged(name: str, growth: Growth, asked: list[dict[str, Any]]) -> Test:
    """A test of promtool; `asked` about the new version instead of the canary's pods."""
    asked = [{**ask, "expr": ask["expr"].replace(CANARY, NEW)} for ask in asked]
    return world(name, [], STEPS, asked, shop(growth))


def rare(random: Generator, rate: float, weight: float, worse: float = 1.0) -> Growth:
    """Of a hundred requests one brings 700 euros or so; `worse` is what the new version loses."""
    growth: Growth = {}
    for version, share, factor in ((NEW, weight, worse), (OLD, 1 - weight, 1.0)):
        requests = random.poisson(rate * share, STEPS + 1)
        euros = np.array([random.gamma(4, 175, n).sum() for n in random.binomial(requests, 0.01)])
        growth[version] = (requests, np.round(euros * factor))
    return growth


def aborted(is_aborted: bool) -> dict[str, Any]:
    """Expect that the lower bound was above the tolerated difference at some look, or at none."""
    bound = f'ml:verdict_bound{{check="basket",arm="{CANARY}",bound="lower"}}'
    return {
        "expr": f"sum(max_over_time({bound}[1h]) > bool {TOLERATED})",
        "eval_time": "30m",
        "exp_samples": [{"labels": "{}", "value": int(is_aborted)}],
    }


def tally(growth: Growth, step: int) -> Tally:
    """What Python knows. Worse is lower, and the first value of a counter is no growth."""
    (new, gained), (old, earned) = growth[NEW], growth[OLD]
    columns = [part[1 : step + 1] for part in (-gained, new, -earned, old)]
    return sequence.tally(Counts(*map(float, each)) for each in zip(*columns, strict=True))


def bounds(growth: Growth, step: int) -> list[dict[str, Any]]:
    """Expect the bounds by Python."""
    interval = sequence.mean_bounds(tally(growth, step), LIMITS)
    return [bound_is("basket", side, getattr(interval, side), step) for side in ("lower", "upper")]


@pytest.mark.parametrize("rate", [60, 600])
def test_bounds_are_those_of_python(rate: float, tmp_path: Path) -> None:
    tests = []
    for seed in range(2):
        growth = rare(np.random.default_rng(seed), rate, 0.3)
        # Neither version sells for a while, then the new one alone, then the old one alone.
        for version, pause in ((NEW, [10, 11, 40]), (OLD, [10, 11, 12, 30])):
            for part in growth[version]:
                part[pause] = 0
        asked = [ask for step in (45, STEPS) for ask in bounds(growth, step)]
        tests.append(judged(f"seed {seed}", growth, asked))
    promtool(tmp_path, tests)


def test_there_are_no_bounds_before_the_mean_has_been_seen_to_change(tmp_path: Path) -> None:
    growth = rare(np.random.default_rng(1), 600, 0.1)
    for part in growth[NEW]:
        part[2::2] = 0
    asked = [bound_is("basket", side, None, STEPS) for side in ("lower", "upper")]
    promtool(tmp_path, [judged("no two half minutes in a row", growth, asked)])


def is_aborted_by_scatter_alone(growth: Growth) -> bool:
    """Whether the canary would be, if it were taken to scatter as little as it has so far."""
    looks = [replace(tally(growth, step), steps=0.0) for step in range(20, STEPS + 1)]
    return any(sequence.mean_bounds(each, LIMITS).lower > TOLERATED for each in looks)


def test_a_good_canary_is_not_aborted_for_rare_sales_that_it_has_not_had_yet(
    tmp_path: Path,
) -> None:
    drawn = {seed: rare(np.random.default_rng(seed), 60, 0.1) for seed in range(40)}
    hard = {seed: each for seed, each in drawn.items() if is_aborted_by_scatter_alone(each)}
    assert hard
    tests = [judged(f"seed {seed}", each, [aborted(False)]) for seed, each in hard.items()]
    promtool(tmp_path, tests)


def test_a_canary_that_loses_rare_sales_is_aborted(tmp_path: Path) -> None:
    growth = rare(np.random.default_rng(1), 6000, 0.1, worse=0.2)
    promtool(tmp_path, [judged("worse", growth, [aborted(True)])])
