"""The numbers of all workers: each adds to an array of its own, and anybody reads all of them.

prometheus-client keeps one file for every process that ever lived and takes microseconds for each
update (docs/decisions/0002-metrics.md); here a worker adds to an array in shared memory, and the
one that replaces it goes on where it ended. What was counted survives its worker, however it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.observability.metrics import shared_files
from app.observability.metrics.shared_files import NUMBERS, SharedFiles

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

REFUSALS = "refusals"
BYTES = 8


class SharedCounters:
    """An array of `size` float64 for each worker; a worker is known by its index."""

    def __init__(self, folder: Path | None, size: int) -> None:
        """`folder` is in memory; None for a single process."""
        self._files = SharedFiles(folder, NUMBERS, BYTES * size)
        self._taken: set[int] = set()

    @property
    def worker_bytes(self) -> int:
        """What the array of a worker takes."""
        return self._files.size

    def take(self) -> int:
        """An index that no worker has; for the master, before it forks."""
        worker = next(index for index in range(len(self._taken) + 1) if index not in self._taken)
        self._taken.add(worker)
        self._files.open(worker)
        return worker

    def release(self, worker: int, live: Iterable[int]) -> None:
        """The worker that had it is dead: its counts stay, what was true of it alive does not."""
        numbers = self.numbers(worker)
        for slot in live:
            numbers[slot] = 0.0
        self._taken.discard(worker)

    def numbers(self, worker: int) -> memoryview[float]:
        """The array of a worker, to add to."""
        return self._files.open(worker).cast("d")

    def read(self) -> list[NDArray[np.float64]]:
        """Copies of the arrays of all workers, those included that have ended."""
        return [np.array(block.cast("d")) for block in self._files.open_all()]


def begin(folder: Path) -> None:
    """An empty folder for a new master. Only what earlier ones refused is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    shared_files.clear(folder)


def count_refusal(folder: Path) -> None:
    """Note for the next process of this pod that this one refused its bundle."""
    with (folder / REFUSALS).open("ab") as stream:
        stream.write(b".")


def refusals(folder: Path | None) -> int:
    """How often that happened."""
    try:
        return 0 if folder is None else (folder / REFUSALS).stat().st_size
    except FileNotFoundError:
        return 0
