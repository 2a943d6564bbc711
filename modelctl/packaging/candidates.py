"""The rows on which the parity gate compares engines: the sample, jittered copies, split points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.trees import split_points

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from app.model.contract import Contract, Feature

SEED = 20240501
PERTURBED_ROWS = 10_000
# Up to this many neighbours of split thresholds are all compared; of more, a seeded sample.
MAX_NEIGHBOUR_ROWS = 200_000
# Share of values replaced with another category, or with a missing value where allowed.
SWAP_RATIO = 0.1


def json_rows(frame: pd.DataFrame, contract: Contract) -> list[list[Any]]:
    """The rows of a sample as a client sends them: None for a missing value."""
    columns = []
    for feature, (_, column) in zip(contract.inputs, frame.items(), strict=True):
        pairs = zip(column, column.isna().tolist(), strict=True)
        columns.append([None if missing else _plain(feature, v) for v, missing in pairs])
    return [list(row) for row in zip(*columns, strict=True)]


def perturbed(rows: list[list[Any]], contract: Contract) -> list[list[Any]]:
    """Seeded copies of the rows: noise on numbers, other categories, missing values."""
    random = np.random.default_rng(SEED)
    chosen = random.integers(len(rows), size=PERTURBED_ROWS)
    columns = []
    for index, feature in enumerate(contract.inputs):
        source = [row[index] for row in rows]
        values = _jittered(feature, source, [source[at] for at in chosen], random)
        if feature.missing == "allow":
            missing = random.random(len(values)) < SWAP_RATIO
            values = [None if m else v for v, m in zip(values, missing, strict=True)]
        columns.append(values)
    return [list(row) for row in zip(*columns, strict=True)]


def split_neighbours(
    model: Any, rows: NDArray[np.float64], among: set[int] | None = None
) -> tuple[NDArray[np.float64], float] | None:
    """Rows on, just below and just above every split threshold of a tree model.

    Each is a copy of one of `rows`, real inputs of the model, with one value at the threshold.
    Returns the rows and their share of all neighbours; None for a model without trees, or without
    a threshold of the features `among`, where those are given.
    """
    points = split_points(model)
    if points is None or not points[0]:
        return None
    features, thresholds, float_type = points
    random = np.random.default_rng(SEED)
    at: NDArray[Any] = np.array(thresholds, dtype=float_type)
    low, high = float_type(-np.inf), float_type(np.inf)
    values = np.concatenate([at, np.nextafter(at, low), np.nextafter(at, high)]).astype(np.float64)
    columns = np.tile(np.array(features), 3)
    usable = np.flatnonzero(np.isfinite(values))
    if among is not None:
        usable = usable[np.isin(columns[usable], list(among))]
    if not len(usable):
        return None
    taken = usable
    if len(usable) > MAX_NEIGHBOUR_ROWS:
        taken = np.sort(random.choice(usable, MAX_NEIGHBOUR_ROWS, replace=False))
    result = rows[random.integers(len(rows), size=len(taken))].copy()
    result[np.arange(len(taken)), columns[taken]] = values[taken]
    return result, len(taken) / max(1, len(usable))


def _plain(feature: Feature, value: Any) -> Any:
    kinds = {"float": float, "integer": int, "boolean": bool, "string": str}
    return kinds[feature.dtype](value)


def _jittered(
    feature: Feature, source: list[Any], values: list[Any], random: np.random.Generator
) -> list[Any]:
    if feature.is_text:
        return values
    if feature.dtype in ("string", "boolean"):
        choices = list(feature.categories or (False, True))
        swapped = random.random(len(values)) < SWAP_RATIO
        drawn = random.integers(len(choices), size=len(values))
        return [
            choices[d] if s else v for v, s, d in zip(values, swapped, drawn.tolist(), strict=True)
        ]
    present = [value for value in source if value is not None]
    spread = float(np.std(present)) * 0.2 if present else 1.0
    if not spread:
        # A single row or a constant column: requests will have other values nevertheless.
        spread = max(1.0, abs(float(present[0]))) * 0.1
    noise = random.normal(0.0, spread, size=len(values)).tolist()
    moved = [None if v is None else v + n for v, n in zip(values, noise, strict=True)]
    if feature.dtype == "integer":
        return [None if value is None else round(value) for value in moved]
    return moved
