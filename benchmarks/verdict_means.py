"""Simulate canaries that are judged by a mean, such as revenue per request.

    python -m benchmarks.verdict_means

As benchmarks/verdict.py, for `kind: mean` of `rollout.analysis.metrics`: laws of values from normal
to rare and skewed, equal and unequal parts. Beside the chart's verdict stands the same without the
stable version's spread, which takes a canary to scatter as little as it has so far. All judge that
lower is worse, where rare large values that a small canary has not met yet look like harm. Prints a
table and, with `--write`, puts it into docs/explanation/verdict.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.verdict import LOOKS, MINIMUM, SEED, cell, outcome, print_or_write
from modelctl.delivery.sequence import Limits, Tally, mean_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Law = Callable[[np.random.Generator, int], Numbers]

RUNS, FIRST = 400, 20
# One metric alone may abort at 5 %; a fiftieth of a standard deviation is tolerated.
TOLERATED, ALPHA = 0.02, 0.05


def _buyers(share: float) -> Law:
    return lambda random, n: (random.random(n) < share) * random.gamma(4, 12.5, n)


LAWS: dict[str, Law] = {
    "1 % buy": _buyers(0.01),
    "5 % buy": _buyers(0.05),
    "gamma, shape 0.05": lambda random, n: random.gamma(0.05, 1, n),
    "lognormal, sigma 1.5": lambda random, n: random.lognormal(0, 1.5, n),
    "normal": lambda random, n: random.normal(0, 1, n),
}
# The canary's part, and requests of both in half a minute.
PARTS = ((0.5, 600), (0.1, 60), (0.1, 600), (0.02, 600))
# What the canary loses, in standard deviations; with `WAVE`, the level of both rises and falls.
LOSSES, WAVE = (0.0, 0.1, 0.3), 0.3


@dataclass(frozen=True)
class Truth:
    """One canary: the law of its values, its part, and what is wrong with it."""

    law: str
    part: float
    rate: int
    loss: float = 0.0
    wave: float = 0.0


TRUTHS = (
    *(Truth(law, *part) for law in LAWS for part in PARTS),
    *(Truth("1 % buy", 0.1, 600, loss, wave) for loss in LOSSES[1:] for wave in (0.0, WAVE)),
    *(Truth("1 % buy", 0.1, 6000, loss, wave) for loss in LOSSES[1:] for wave in (0.0, WAVE)),
)


def drawn(random: np.random.Generator, truth: Truth) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Sum and count of the canary and of the stable version, by run and half minute."""
    law = LAWS[truth.law]
    deviation = law(random, 1_000_000).std()
    level = truth.wave * deviation * np.sin(np.arange(LOOKS) / LOOKS * 2 * np.pi)
    found = []
    for part, loss in ((truth.part, truth.loss), (1 - truth.part, 0.0)):
        count = random.poisson(truth.rate * part, (RUNS, LOOKS))
        of = np.repeat(np.arange(count.size), count.ravel())
        values = np.bincount(of, law(random, int(count.sum())), minlength=count.size)
        found += [values.reshape(count.shape) + count * (level - loss * deviation), count]
    canary, canary_count, stable, stable_count = found
    # In standard deviations, and the more the worse.
    return -canary / deviation, canary_count * 1.0, -stable / deviation, stable_count * 1.0


def tallies(
    canary: Numbers, canary_count: Numbers, stable: Numbers, stable_count: Numbers
) -> Numbers:
    """The eight sums of a Tally at each look of each run."""
    both = np.maximum(canary_count + stable_count, 1)
    weight = canary_count * stable_count / both
    scaled, others = canary * stable_count / both, stable * canary_count / both
    gap = scaled - others
    serves = weight > 0
    stepped, steps = np.zeros_like(weight), np.zeros_like(weight)
    stepped[:, 1:] = np.where(serves[:, 1:] & serves[:, :-1], weight[:, 1:], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = stable / stable_count
        noise = 1 / stable_count[:, 1:] + 1 / stable_count[:, :-1]
        steps[:, 1:] = np.nan_to_num(np.diff(mean, axis=1) ** 2 / noise) * stepped[:, 1:]
    parts = (weight, scaled, others, gap**2, gap * weight, weight**2, steps, stepped)
    return np.stack([part.cumsum(axis=1) for part in parts], axis=-1)


def aborts(random: np.random.Generator, truth: Truth) -> list[NDArray[np.bool_]]:
    """Whether the chart's verdict aborts at each look, and whether it would by scatter alone."""
    counted = drawn(random, truth)
    sums = tallies(*counted)
    enough = (counted[1].cumsum(axis=1) >= MINIMUM) & (counted[3].cumsum(axis=1) >= MINIMUM)
    enough &= (np.diff(sums[..., -1], axis=1, prepend=0) > 0).cumsum(axis=1) >= FIRST
    limits = Limits(TOLERATED, ALPHA, ALPHA)
    found, alone = np.zeros_like(enough), np.zeros_like(enough)
    for run, look in zip(*enough.nonzero(), strict=True):
        tally = Tally(*sums[run, look].tolist())
        found[run, look] = mean_bounds(tally, limits).lower > TOLERATED
        alone[run, look] = mean_bounds(replace(tally, steps=0.0), limits).lower > TOLERATED
    return [found, alone]


def table() -> str:
    """All truths, as Markdown."""
    random = np.random.default_rng(SEED)
    lines = [
        "| values | canary's part | requests in 30 s | the canary loses | both rise and fall by "
        "| by its own scatter alone aborts | verdict aborts |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for truth in TRUTHS:
        found, alone = (cell(outcome(each)) for each in aborts(random, truth))
        cells = (truth.law, f"{truth.part:.0%}".replace("%", " %"), truth.rate)
        changes = (f"{each:g} sd" if each else "0" for each in (truth.loss, truth.wave))
        lines.append(f"| {' | '.join(map(str, (*cells, *changes, alone, found)))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(print_or_write(__doc__, "simulation of means", table))
