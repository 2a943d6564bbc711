"""One block of memory for each worker, which only it writes and anybody reads.

A block is a file of a folder in memory, so it survives its worker, however that one ended, and the
worker that replaces it goes on in the same file.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS, EXEMPLARS = ".numbers", ".exemplars"


class SharedFiles:
    """Blocks of `size` bytes, all zero at first; without a folder in this process's own memory."""

    def __init__(self, folder: Path | None, suffix: str, size: int) -> None:
        self._folder = folder
        self._suffix = suffix
        self.size = size
        self._blocks: dict[int, memoryview] = {}

    def open(self, worker: int) -> memoryview:
        """The block of a worker, by its index."""
        block = self._blocks.get(worker)
        if block is None:
            block = self._blocks[worker] = memoryview(self._map(worker))
        return block

    def open_all(self) -> list[memoryview]:
        """The blocks of all workers, those included that have ended."""
        if self._folder is None:
            return list(self._blocks.values())
        paths = self._folder.glob(f"*{self._suffix}")
        return [self.open(int(path.stem)) for path in paths]

    def _map(self, worker: int) -> bytearray | mmap.mmap:
        if self._folder is None:
            return bytearray(self.size)
        with (self._folder / f"{worker}{self._suffix}").open("a+b") as stream:
            # Not `truncate`: a sparse file on a full tmpfs is a SIGBUS at its first use.
            os.posix_fallocate(stream.fileno(), 0, self.size)
            return mmap.mmap(stream.fileno(), self.size)


def clear(folder: Path) -> None:
    """Remove the files of an earlier master."""
    for suffix in (NUMBERS, EXEMPLARS):
        for stale in folder.glob(f"*{suffix}"):
            stale.unlink()
