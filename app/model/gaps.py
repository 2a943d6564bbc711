"""Rows of a request that have to be predicted apart, so that none depends on its neighbours.

pandas has no missing integer: one null turns the column of every other row into floats, which a
user's own step may see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.model.decoding import CATEGORY, NULLABLE
from app.model.prediction import Prediction
from app.model.validation import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.contract import Contract


def gap_columns(contract: Contract) -> list[int]:
    """Columns whose type changes for all rows if one of them has no value."""
    return [
        index
        for index, feature in enumerate(contract.inputs)
        if feature.dtype in ("integer", "boolean")
        and feature.missing == "allow"
        and feature.storage not in (*NULLABLE, CATEGORY)
    ]


def by_gaps(columns: list[int], batch: Batch) -> list[NDArray[np.intp]] | None:
    """The rows by which of these columns have no value; None if that is the same for all."""
    if not columns or len(batch) < 2:
        return None
    missing = np.isnan(batch.matrix[:, columns])
    if not missing.any() or (missing == missing[0]).all():
        return None
    _, group = np.unique(missing, axis=0, return_inverse=True)
    return [np.flatnonzero(group.ravel() == at) for at in range(int(group.max()) + 1)]


def taken(batch: Batch, rows: NDArray[np.intp]) -> Batch:
    """Some rows of a batch."""
    text = {name: [texts[at] for at in rows.tolist()] for name, texts in batch.text.items()}
    return Batch(batch.matrix[rows], text)


def joined(parts: list[Prediction], groups: list[NDArray[np.intp]]) -> Prediction:
    """Predictions of groups of rows, in the order of the rows."""
    order = np.argsort(np.concatenate(groups))
    values = [value for part in parts for value in part.values]

    def stacked(arrays: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present)[order] if present else None

    return Prediction(
        [values[at] for at in order.tolist()],
        stacked([part.probabilities for part in parts]),
        stacked([part.scores for part in parts]),
    )
