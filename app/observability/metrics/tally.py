"""Answered predictions -> what they add to the numbers, many at a time.

One request adds to a dozen histograms and to a bin of each feature. One after the other in Python
that costs a fifth of the request; for some dozen requests at once numpy does it in a fraction.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from app.observability.metrics.families import ROWS, SECONDS, SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.validation import Batch
    from app.observability.metrics.bins import Bins, PartBins
    from app.observability.outcome import Outcome

    Slots = NDArray[np.intp]

# Rows whose features are looked up at once: bounds the memory for it.
CHUNK_ROWS = 1000
SECOND_BOUNDS, SHARE_BOUNDS = np.array(SECONDS), np.array(SHARES)


class FeatureTally:
    """Which bins the values of rows belong to.

    `tables`: column, bins, slot of the first bin.
    """

    def __init__(self, tables: Sequence[tuple[int, Bins, int]]) -> None:
        ranges = [table for table in tables if table[1].edges]
        categories = [table for table in tables if not table[1].edges]
        self._columns: list[Ranges | Categories] = [Ranges(ranges)] if ranges else []
        self._columns += [Categories(categories)] if categories else []
        self.width = len(tables)

    def slots(self, batches: Sequence[Batch]) -> Slots:
        """The slot of each value."""
        matrix = np.concatenate([batch.matrix for batch in batches])
        slots = []
        for start in range(0, len(matrix), CHUNK_ROWS):
            chunk = matrix[start : start + CHUNK_ROWS]
            slots += [columns.slots(chunk) for columns in self._columns]
        return np.concatenate(slots)


class Ranges:
    """Numbers between edges."""

    def __init__(self, tables: Sequence[tuple[int, Bins, int]]) -> None:
        self._columns = [column for column, _, _ in tables]
        # Edges first, so that numpy adds up along whole rows. The last one of each is infinity, so
        # is what fills up a feature with fewer: only NaN, a missing value, is not below it.
        max_edges = max((len(bins.edges) for _, bins, _ in tables), default=0)
        self._edges = np.full((max_edges, 1, len(tables)), np.inf)
        slots = np.zeros((len(tables), max_edges + 1), dtype=np.intp)
        for row, (_, bins, first) in enumerate(tables):
            self._edges[: len(bins.edges), 0, row] = bins.edges
            slots[row, : len(bins.positions)] = [first + position for position in bins.positions]
            slots[row, max_edges] = first + bins.positions[-1]
        self._slots = slots.ravel()
        self._lasts = np.arange(len(tables)) * (max_edges + 1) + max_edges

    def slots(self, matrix: NDArray[np.float64]) -> Slots:
        """The slot of each value in these columns."""
        below = (matrix[:, self._columns] < self._edges).sum(axis=0, dtype=np.intp)
        slots: Slots = self._slots.take(self._lasts - below).ravel()
        return slots


class Categories:
    """Positions of categories."""

    def __init__(self, tables: Sequence[tuple[int, Bins, int]]) -> None:
        self._columns = [column for column, _, _ in tables]
        counts = [len(bins.positions) for _, bins, _ in tables]
        self._missing = np.array(counts, dtype=np.float64) - 1
        self._unseen = self._missing - 1
        self._starts = np.cumsum([0, *counts])[:-1]
        slots = [first + position for _, bins, first in tables for position in bins.positions]
        self._slots = np.array(slots, dtype=np.intp)

    def slots(self, matrix: NDArray[np.float64]) -> Slots:
        """The slot of each value in these columns."""
        own = matrix[:, self._columns]
        codes = np.where(own < 0, self._unseen, own)
        categories = np.where(np.isnan(own), self._missing, codes).astype(np.intp)
        slots: Slots = self._slots.take(self._starts + categories).ravel()
        return slots


class Tally:
    """What answered predictions add to, theirs until `flush`.

    Only numbers are kept of a request: its objects are gone from the processor's caches by then.
    """

    def __init__(
        self,
        phases: tuple[int, int, int, int],
        rows: int,
        confidence: int | None,
        predictions: Sequence[tuple[PartBins, int]],
        class_slices: Sequence[slice],
    ) -> None:
        """First slots of series; `phases`: queue wait, preprocess, inference, postprocess.

        `class_slices`: of each target its columns among the probabilities.
        """
        # The first column is each request's own: the durations of its route.
        self._firsts = np.array([0, *phases])
        self._phases = phases
        self._rows_first = rows
        self._confidence = confidence
        self._class_slices = class_slices
        self._parts = [_PartTally(part, first) for part, first in predictions]
        self._clear()

    def __len__(self) -> int:
        return len(self._durations)

    def add(self, outcome: Outcome, duration: int) -> None:
        """One more, with the first slot of its route's durations."""
        self._durations.append(duration)
        self._seconds += (outcome.seconds, outcome.waited, *outcome.phases)
        self._rows.append(outcome.rows)
        self._values += outcome.values
        self.row_count += outcome.rows
        if outcome.probabilities is not None:
            self._probabilities.append(outcome.probabilities)
        if outcome.bins is not None:
            self._bins.append(outcome.bins)
        elif outcome.batch is not None:
            self._batches.append(outcome.batch)

    def flush(self, numbers: NDArray[np.float64], features: FeatureTally) -> None:
        """Add everything to the numbers."""
        slots = [self._add_seconds(numbers)]
        for rows, count in Counter(self._rows).items():
            numbers[self._rows_first + bisect_left(ROWS, rows)] += count
            numbers[self._rows_first + len(ROWS) + 1] += rows * count
        for slot, count in self._predicted().items():
            numbers[slot] += count
        if self._confidence is not None and self._probabilities:
            joined = np.concatenate(self._probabilities)
            highest = np.concatenate(
                [joined[:, columns].max(axis=1) for columns in self._class_slices]
            )
            slots.append(SHARE_BOUNDS.searchsorted(highest) + self._confidence)
            numbers[self._confidence + len(SHARES) + 1] += highest.sum()
        if features.width and self._batches:
            slots.append(features.slots(self._batches))
        numbers += np.bincount(np.concatenate(slots), minlength=len(numbers))
        for counts in self._bins:
            numbers += counts
        self._clear()

    def _clear(self) -> None:
        self._durations: list[int] = []
        self._seconds: list[float] = []
        self._rows: list[int] = []
        self._values: list[Any] = []
        self._probabilities: list[Any] = []
        self._batches: list[Batch] = []
        self._bins: list[Any] = []
        self.row_count = 0

    def _add_seconds(self, numbers: NDArray[np.float64]) -> Slots:
        """Add to the sums; gives the buckets."""
        seconds = np.array(self._seconds).reshape(len(self), -1)
        buckets = SECOND_BOUNDS.searchsorted(seconds)
        buckets += self._firsts
        buckets[:, 0] += self._durations
        behind = len(SECONDS) + 1
        for first, total in zip(self._phases, seconds.sum(axis=0).tolist()[1:], strict=True):
            numbers[first + behind] += total
        if len({*self._durations}) == 1:
            numbers[self._durations[0] + behind] += seconds[:, 0].sum()
        else:
            np.add.at(numbers, np.array(self._durations) + behind, seconds[:, 0])
        return buckets.ravel()

    def _predicted(self) -> dict[int, int]:
        """Slot -> how many predictions."""
        slots: Counter[int] = Counter()
        for part in self._parts:
            slots.update(part.slots(self._values))
        return slots


class _PartTally:
    """One part of the predictions: the slots of its bins."""

    def __init__(self, part: PartBins, first: int) -> None:
        self._key = part.key
        self._edges = part.bins.edges
        self._slots = [first + position for position in part.bins.positions]
        self._by_class: dict[Any, int] | None = None
        if part.part.classes is not None:
            self._by_class = dict(zip(part.part.classes, self._slots, strict=True))

    def slots(self, values: Sequence[Any]) -> Counter[int]:
        """Slot -> how many of the predicted values."""
        if self._key is not None:
            values = [value[self._key] for value in values]
        if self._by_class is None:
            numbers = map(float, values)
            return Counter(self._slots[bisect_right(self._edges, number)] for number in numbers)
        slots: Counter[int] = Counter()
        for value, count in Counter(values).items():
            slots[self._by_class[value]] += count
        return slots
