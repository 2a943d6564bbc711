"""Simulate canaries of known truth, and compare how three rules abort them.

    python -m benchmarks.verdict

Each run is a canary that is looked at every 30 s for half an hour. The rules: a z-test at 5 %,
repeated at every look; a threshold of 5 % errors over the last minute; the verdict of the chart
with its defaults, by the formulas of `modelctl/delivery/sequence.py`. Prints a table and, with
`--write`, puts it into docs/explanation/verdict.md. Seeded: the same table every time.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelctl.delivery.sequence import Limits, Tally, share_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "verdict.md"
SEED, RUNS, LOOKS, SECONDS, WEIGHT = 20261126, 1000, 60, 30, 0.1
# As in values.yaml: 5 % for all six checks of a canary together.
LIMITS = Limits(margin=0.002, worse=0.05 / 6, better=0.05)
MINIMUM, FIRST = 100, 3
Z, THRESHOLD = 1.96, 0.05
# Shares of errors of the stable version and of the canary, requests per second.
TRUTHS = (
    *((0.01, 0.01, rate) for rate in (100, 5)),
    (0.001, 0.001, 100),
    (0.01, 0.012, 100),
    *((0.01, canary, 100) for canary in (0.02, 0.03, 0.05)),
    *((0.01, canary, 5) for canary in (0.03, 0.1)),
)


@dataclass(frozen=True)
class Stream:
    """What both versions counted in every half minute of every run."""

    errors: Numbers
    requests: Numbers
    stable_errors: Numbers
    stable_requests: Numbers


@dataclass(frozen=True)
class Outcome:
    """Shares of the runs that a rule ended, and the median time to that, seconds."""

    share: float
    seconds: float | None


def stream(random: np.random.Generator, stable: float, canary: float, rate: float) -> Stream:
    """Draw all runs of a truth."""
    shape = (RUNS, LOOKS)
    requests = random.poisson(rate * SECONDS * WEIGHT, shape)
    others = random.poisson(rate * SECONDS * (1 - WEIGHT), shape)
    parts = (
        random.binomial(requests, canary),
        requests,
        random.binomial(others, stable),
        others,
    )
    return Stream(*(part.astype(np.float64) for part in parts))


def outcome(ended: NDArray[np.bool_]) -> Outcome:
    """When a rule ended the runs, from whether it would at each look."""
    runs = ended.any(axis=1)
    if not runs.any():
        return Outcome(0.0, None)
    first = ended.argmax(axis=1)[runs] + 1
    return Outcome(float(runs.mean()), float(np.median(first)) * SECONDS)


def z_test(seen: Stream) -> NDArray[np.bool_]:
    """A one-time test, repeated."""
    total, others = seen.requests.cumsum(axis=1), seen.stable_requests.cumsum(axis=1)
    errors, stable = seen.errors.cumsum(axis=1), seen.stable_errors.cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (errors + stable) / (total + others)
        error = np.sqrt(pooled * (1 - pooled) * (1 / total + 1 / others))
        score: Numbers = np.nan_to_num((errors / total - stable / others) / error)
    return np.greater(score, Z)


def threshold(seen: Stream) -> NDArray[np.bool_]:
    """More than 5 % errors of the canary in the last minute."""
    errors, requests = (
        part + np.pad(part, ((0, 0), (1, 0)))[:, :-1] for part in (seen.errors, seen.requests)
    )
    return errors > THRESHOLD * requests


def verdict(seen: Stream) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the chart's verdict is worse, and whether it is fine, at each look."""
    both = seen.requests + seen.stable_requests
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.nan_to_num(seen.requests * seen.stable_requests / both)
        canary = np.nan_to_num(seen.errors * seen.stable_requests / both)
        stable = np.nan_to_num(seen.stable_errors * seen.requests / both)
    gap = canary - stable
    sums = [
        part.cumsum(axis=1) for part in (weight, canary, stable, gap**2, gap * weight, weight**2)
    ]
    enough = (seen.requests.cumsum(axis=1) >= MINIMUM) & (
        seen.stable_requests.cumsum(axis=1) >= MINIMUM
    )
    enough[:, : FIRST - 1] = False
    worse, fine = np.zeros_like(enough), np.zeros_like(enough)
    for run, look in zip(*enough.nonzero(), strict=True):
        bounds = share_bounds(Tally(*(float(part[run, look]) for part in sums)), LIMITS)
        worse[run, look] = bounds.lower > LIMITS.margin
        fine[run, look] = bounds.upper < LIMITS.margin
    return worse, fine


def table() -> str:
    """All truths by all rules, as Markdown."""
    random = np.random.default_rng(SEED)
    lines = [
        "| errors, stable and canary | requests/s | repeated z-test aborts "
        "| threshold of 5 % aborts | verdict aborts | verdict passes |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for stable, canary, rate in TRUTHS:
        seen = stream(random, stable, canary, rate)
        found = [outcome(each) for each in (z_test(seen), threshold(seen), *verdict(seen))]
        cells = [cell(each) for each in found]
        lines.append(f"| {_percent(stable)} → {_percent(canary)} | {rate} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def cell(found: Outcome) -> str:
    """Share and time, for a table."""
    time = "" if found.seconds is None else f" ({found.seconds:.0f} s)"
    return f"{100 * found.share:.3g} %{time}"


def publish(name: str, text: str) -> None:
    """Put a table between its marks in the page."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    head, rest = PAGE.read_text(encoding="utf-8").split(start)
    _, tail = rest.split(end)
    PAGE.write_text(f"{head}{start}{text}{end}{tail}", encoding="utf-8")


def print_or_write(description: str, name: str, table: Callable[[], str]) -> int:
    """The command of a simulation: print its table and, with `--write`, put it into the page."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    arguments = parser.parse_args()
    text = table()
    print(text, end="")
    if arguments.write:
        publish(name, text)
    return 0


if __name__ == "__main__":
    sys.exit(print_or_write(__doc__, "simulation", table))
