"""An answered prediction -> which places it adds to: bins of features, classes, confidence.

Made where the prediction is made, which may be a thread, and added by the worker's event loop. One
row is looked up value by value, which costs less than asking numpy; more rows column by column.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.metrics.families import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.contract import Label
    from app.engine import Prediction
    from app.metrics.bins import Bins
    from app.validation import Batch

# From here on numpy is faster, in values.
MANY_VALUES = 60


@dataclass(frozen=True, slots=True)
class Tally:
    """Places that count one more each; of many rows `counts` for all places instead."""

    places: list[int]
    counts: NDArray[np.int64] | None
    confidence_sum: float


class Counter:
    """Knows where each feature's bins and the classes have their places.

    `features`: column, bins, first place, of those that are counted.
    """

    def __init__(
        self,
        features: Sequence[tuple[int, str | None, Bins, int]],
        predictions: tuple[Bins, int],
        classes: Sequence[Label] | None,
        confidence: int | None,
    ) -> None:
        self._columns = [column for column, text, _, _ in features if text is None]
        # All features in the contract's order: a row is then used as it is.
        self._in_order = self._columns == list(range(len(self._columns)))
        numbers = [(bins, first) for _, text, bins, first in features if text is None]
        self._edges = [list(bins.edges) for bins, _ in numbers]
        self._places = [[first + at for at in bins.found] for bins, first in numbers]
        self._edge_arrays = [np.array(edges) for edges in self._edges]
        self._place_arrays = [np.array(places) for places in self._places]
        self._texts = [
            (text, first + bins.labels.index("0"), first + bins.labels.index("missing"))
            for _, text, bins, first in features
            if text is not None
        ]
        bins, first = predictions
        self._prediction_edges = list(bins.edges)
        self._prediction_places = [first + at for at in bins.found]
        self._by_class = None
        if classes is not None:
            self._by_class = dict(zip(classes, self._prediction_places, strict=True))
        self._confidence = confidence

    def __call__(self, batch: Batch, prediction: Prediction) -> Tally:
        """The places of these rows."""
        places = self._of_values(prediction.values)
        confidence_sum = 0.0
        if self._confidence is not None and prediction.probabilities is not None:
            highest = prediction.probabilities.max(axis=1).tolist()
            first = self._confidence
            places += [first + bisect_left(SHARES, share) for share in highest]
            confidence_sum = sum(highest)
        for name, there, missing in self._texts:
            places += [missing if value is None else there for value in batch.text[name]]
        if len(batch) * len(self._columns) <= MANY_VALUES:
            for row in batch.matrix.tolist():
                values = row if self._in_order else [row[at] for at in self._columns]
                places += [
                    found[bisect_right(edges, value)]
                    for found, edges, value in zip(self._places, self._edges, values, strict=False)
                ]
            return Tally(places, None, confidence_sum)
        columns = batch.matrix.T
        found = [
            own[np.searchsorted(edges, columns[at], side="right")]
            for own, edges, at in zip(
                self._place_arrays, self._edge_arrays, self._columns, strict=True
            )
        ]
        return Tally(places, np.bincount(np.concatenate(found)), confidence_sum)

    def _of_values(self, values: list[Label]) -> list[int]:
        if self._by_class is not None:
            by_class = self._by_class
            return [by_class[value] for value in values]
        edges, places = self._prediction_edges, self._prediction_places
        return [places[bisect_right(edges, float(value))] for value in values]
