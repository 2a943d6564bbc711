"""Outcomes of units whose true effect is known, as the file that a user hands over."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modelctl.delivery.assignment import Assignment
from modelctl.delivery.outcomes import Outcomes, read
from modelctl.repository.experiments import PRIMARY, Experiment


def write(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A CSV file with these columns."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def arms(plan: Experiment, units: list[str]) -> list[str]:
    """The arms of units."""
    assignment = Assignment.of(plan.variants)
    return [assignment.arm(unit) for unit in units]


def outcomes(
    path: Path,
    plan: Experiment,
    *,
    count: int = 8000,
    effect: float = 0.0,
    seconds: float = 0.0,
    seed: int = 1,
) -> Outcomes:
    """Units that accept with 10% and `effect` more in a variant, in 0.2 s and `seconds` more."""
    rng = np.random.default_rng(seed)
    units = [f"{seed}-{number}" for number in range(count)]
    treated = np.array([arm != PRIMARY for arm in arms(plan, units)])
    before = rng.gamma(2, 2, count)
    columns: dict[str, list[object]] = {
        "unit": list(units),
        "accepted": (rng.random(count) < 0.1 + effect * treated).astype(int).tolist(),
        "revenue": (before + rng.normal(effect * treated, 1)).tolist(),
        "revenue_before": before.tolist(),
        "seconds": (rng.gamma(4, 0.05, count) + seconds * treated).tolist(),
    }
    return read(write(path, columns), plan)
