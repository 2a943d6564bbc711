"""Rows whose nearest neighbors are equally far, where engines may take another one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 20240501
# Rows of each kind.
MAX_TIE_ROWS = 2_000


def tie_rows(model: Any) -> NDArray[np.float64] | None:
    """Rows with neighbors that are equally far, for a model of nearest neighbors; else None.

    Noise meets no such row, and requests of rounded numbers do: the training rows, and rows whose
    values are each one of training or, where those have equal steps, between them.
    """
    known = getattr(model, "_fit_X", None)
    if not type(model).__name__.startswith("KNeighbors") or not isinstance(known, np.ndarray):
        return None
    random = np.random.default_rng(SEED)
    mixed = np.column_stack(
        [random.choice(values, MAX_TIE_ROWS) for column in known.T for values in [_grid(column)]]
    )
    trained = known[random.integers(len(known), size=MAX_TIE_ROWS)].astype(np.float64)
    rows: NDArray[np.float64] = np.vstack([trained, mixed])
    return np.unique(rows, axis=0)


def _grid(column: NDArray[Any]) -> NDArray[np.float64]:
    """The values of a column, and those between them if all are multiples of one step."""
    values = np.unique(column.astype(np.float64))
    if len(values) < 2:
        return values
    step = np.diff(values).min()
    places = (values - values[0]) / step
    if places[-1] > MAX_TIE_ROWS or not np.allclose(places, np.round(places), atol=1e-6):
        return values
    between: NDArray[np.float64] = np.round(values[0] + step * np.arange(places[-1] + 1), 10)
    return np.concatenate([values, between])
