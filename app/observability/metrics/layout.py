"""Families and their label values -> slots in one array of numbers.

Every series is known before the first request, so counting is adding to a slot, and /metrics has
all of them at 0 from the start. Knows nothing of processes, nor how a scraper reads the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.observability.metrics.families import Family


@dataclass(frozen=True)
class Series:
    """One set of label values of a family, and the first of its slots."""

    slot: int
    labels: dict[str, str]


class SlotLayout:
    """The slots of all series. A histogram has one for each bucket, then one for its sum."""

    def __init__(self) -> None:
        self.size = 0
        self._series: dict[Family, list[Series]] = {}
        self._maxima: list[int] = []
        self._live: list[int] = []

    def add(self, family: Family, *values: str) -> int:
        """Reserve the slots of one series; returns the first."""
        first, labels = self.size, dict(zip(family.labels, values, strict=True))
        self._series.setdefault(family, []).append(Series(first, labels))
        self.size += 1 if family.kind != "histogram" else len(family.buckets) + 2
        slots = range(first, self.size)
        if family.over_workers == "max":
            self._maxima += slots
        if family.live:
            self._live += slots
        return first

    def add_hidden(self) -> int:
        """Reserve one live slot that no series shows."""
        self.size += 1
        self._live.append(self.size - 1)
        return self.size - 1

    @property
    def live(self) -> list[int]:
        """The slots that a worker clears when it ends."""
        return self._live

    @property
    def series(self) -> dict[Family, list[Series]]:
        """The families that have a series, in the order they were added."""
        return self._series

    @property
    def exemplar_slots(self) -> list[int]:
        """The buckets that may show a traced request."""
        return [
            slot
            for family, listed in self._series.items()
            if family.has_exemplars
            for series in listed
            for slot in range(series.slot, series.slot + len(family.buckets) + 1)
        ]

    def aggregate(self, workers: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The numbers of several workers as one: added up, or the largest."""
        stack = np.stack(workers)
        total: NDArray[np.float64] = stack.sum(axis=0)
        total[self._maxima] = stack[:, self._maxima].max(axis=0)
        return total
