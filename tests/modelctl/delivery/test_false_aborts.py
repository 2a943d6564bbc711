"""How often the whole verdict is wrong: all checks of a canary, looked at for half an hour.

Streams as they hurt most: traffic that comes and goes, a weight that grows on the way, trouble that
hits both versions, rows of one request that are all alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from modelctl.delivery import sequence
from modelctl.delivery.sequence import Limits, Tally

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# The chart's defaults.
SHARES = {"availability": 0.002, "latency": 0.01, "shed": 0.002, "rejections": 0.01}
INDEXES = {"predictions": 0.1, "confidence": 0.1}
ALPHA, MINIMUM, FIRST = 0.05, 100, 3
CHECKS = len(SHARES) + len(INDEXES)
RUNS, LOOKS, SECONDS, ROWS = 200, 60, 30, 3
EXCESS = 3.5  # standard errors that a simulated rate may be above the promised one


def limits(margin: float) -> Limits:
    return Limits(margin, worse=ALPHA / CHECKS, better=ALPHA)


def requests(random: Generator) -> tuple[Numbers, Numbers]:
    """Of the canary and of the stable version: a tenth, then three, then half of what comes."""
    weight = np.repeat([0.1, 0.3, 0.5], LOOKS // 3)
    rate = random.lognormal(math.log(20), 1, (RUNS, 1)) * random.uniform(0.1, 2, (RUNS, LOOKS))
    total = rate * SECONDS
    return random.poisson(total * weight).astype(float), random.poisson(
        total * (1 - weight)
    ).astype(float)


def tallies(canary: Numbers, canary_all: Numbers, stable: Numbers, stable_all: Numbers) -> Numbers:
    """The six sums of a Tally at each look of each run."""
    both = np.maximum(canary_all + stable_all, 1)
    weight = canary_all * stable_all / both
    scaled, others = canary * stable_all / both, stable * canary_all / both
    gap = scaled - others
    parts = (weight, scaled, others, gap**2, gap * weight, weight**2)
    return np.stack([part.cumsum(axis=1) for part in parts], axis=-1)


def trouble(random: Generator) -> Numbers:
    """How much worse both versions are at each look; in some runs ten times for a while."""
    level = np.ones((RUNS, LOOKS))
    begin = random.integers(0, LOOKS, RUNS)
    for run, first in enumerate(begin):
        level[run, first : first + 10] = random.choice([1, 10])
    return level


def share_errors(random: Generator, margin: float, extra: float) -> tuple[Numbers, Numbers]:
    """In which runs a check called a canary worse, or fine, that is worse by `extra` exactly."""
    canary_all, stable_all = requests(random)
    base = random.uniform(0.0005, 0.03, (RUNS, 1)) * trouble(random)
    canary = random.binomial(canary_all.astype(int), np.minimum(base + extra, 1)).astype(float)
    stable = random.binomial(stable_all.astype(int), base).astype(float)
    sums = tallies(canary, canary_all, stable, stable_all)
    worse, fine = np.zeros(RUNS, bool), np.zeros(RUNS, bool)
    for run, look in looks(canary_all, stable_all):
        bounds = sequence.share_bounds(Tally(*sums[run, look].tolist()), limits(margin))
        worse[run] |= bounds.lower > margin
        fine[run] |= bounds.upper < margin
    return worse, fine


def index_errors(random: Generator, margin: float) -> Numbers:
    """In which runs a check called a canary worse whose predictions are those of the stable one."""
    canary_all, stable_all = requests(random)
    bins = int(random.integers(2, 9))
    mix = random.dirichlet(np.ones(bins), RUNS)[:, None, :].repeat(LOOKS, axis=1)
    mix[:, LOOKS // 2 :] = random.dirichlet(np.ones(bins), RUNS)[:, None, :]
    drawn = [
        random.multinomial(count.astype(int), mix).astype(float) * ROWS
        for count in (canary_all, stable_all)
    ]
    totals = [part.sum(axis=-1) for part in drawn]
    sums = [
        tallies(drawn[0][..., at], totals[0], drawn[1][..., at], totals[1]) for at in range(bins)
    ]
    worse = np.zeros(RUNS, bool)
    for run, look in looks(canary_all, stable_all):
        parts = [(float(part[run, look, 1]), float(part[run, look, 2])) for part in sums]
        weight = float(sums[0][run, look, 0])
        worse[run] |= sequence.index_bounds(parts, weight, limits(margin), ROWS).lower > margin
    return worse


def looks(canary: Numbers, stable: Numbers) -> list[tuple[int, int]]:
    """The looks at which there are bounds."""
    enough = (canary.cumsum(axis=1) >= MINIMUM) & (stable.cumsum(axis=1) >= MINIMUM)
    enough[:, : FIRST - 1] = False
    return list(zip(*(axis.tolist() for axis in enough.nonzero()), strict=True))


def is_at_most(found: Numbers, promised: float) -> bool:
    return bool(found.mean() <= promised + EXCESS * math.sqrt(promised * (1 - promised) / RUNS))


@pytest.mark.parametrize("worst", [0.0, 1.0], ids=["no difference", "the tolerated difference"])
def test_a_canary_that_is_not_worse_is_aborted_as_rarely_as_promised(worst: float) -> None:
    random = np.random.default_rng(20261126)
    aborted = np.zeros(RUNS, bool)
    for margin in SHARES.values():
        aborted |= share_errors(random, margin, worst * margin)[0]
    for margin in INDEXES.values():
        aborted |= index_errors(random, margin)
    assert is_at_most(aborted, ALPHA), aborted.mean()


@pytest.mark.parametrize("check", SHARES)
def test_a_check_that_sees_more_than_is_tolerated_passes_as_rarely_as_promised(check: str) -> None:
    random = np.random.default_rng([20261126, *check.encode()])
    _, fine = share_errors(random, SHARES[check], SHARES[check] * 1.01)
    assert is_at_most(fine, ALPHA), fine.mean()


def test_these_streams_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that errs once in forty, looked at every time, errs more than three times as often."""

    def once(variance: float, *, scale: float, alpha: float, dimensions: int = 1) -> float:
        return 1.96 * math.sqrt(variance)

    monkeypatch.setattr(sequence, "radius", once)
    random = np.random.default_rng(20261126)
    margin = SHARES["availability"]
    worse, _ = share_errors(random, margin, margin)
    assert worse.mean() > 3 / 40
