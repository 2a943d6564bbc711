"""The numbers of all workers: each has a file in memory that only it writes, and anybody reads.

prometheus-client keeps one file for every process that ever lived and takes microseconds for each
update (docs/decisions/0002-metrics.md); here a worker adds to an array in shared memory, and the
one that replaces it goes on where it ended. What was counted survives its worker, however it ended.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIX = ".numbers"
REFUSALS = "refusals"
BYTES = 8


class Board:
    """Arrays of `size` float64 each, in files of a folder; without one in this process's memory."""

    def __init__(self, folder: Path | None, size: int) -> None:
        self._folder = folder
        self._size = size
        self._taken: set[int] = set()
        self._maps: dict[int, memoryview[float]] = {}

    def take(self) -> int:
        """A place that no worker has; for the master, before it forks."""
        place = next(number for number in range(len(self._taken) + 1) if number not in self._taken)
        self._taken.add(place)
        self._open(place)
        return place

    def release(self, place: int, live: Iterable[int]) -> None:
        """The worker that had it is dead: its counts stay, what was true of it alive does not."""
        numbers = self._open(place)
        for at in live:
            numbers[at] = 0.0
        self._taken.discard(place)

    def numbers(self, place: int) -> memoryview[float]:
        """The array of a worker, to add to."""
        return self._open(place)

    def read(self) -> list[NDArray[np.float64]]:
        """The arrays of all workers, those included that have ended."""
        if self._folder is None:
            places = list(self._maps)
        else:
            places = [int(path.stem) for path in self._folder.glob(f"*{SUFFIX}")]
        return [np.array(self._open(place)) for place in places]

    def _open(self, place: int) -> memoryview[float]:
        found = self._maps.get(place)
        if found is None:
            length = BYTES * self._size
            if self._folder is None:
                found = memoryview(bytearray(length)).cast("d")
            else:
                path = self._folder / f"{place}{SUFFIX}"
                with path.open("a+b") as stream:
                    stream.truncate(length)
                    found = memoryview(mmap.mmap(stream.fileno(), length)).cast("d")
            self._maps[place] = found
        return found


def begin(folder: Path) -> None:
    """An empty folder for a new master. Only what earlier ones refused is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"*{SUFFIX}"):
        stale.unlink()


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
