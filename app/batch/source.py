"""A file of the input, read only as the plan pins it.

What is read of a file on disk is hashed first through the same open file, and the file must not
have been written to by the time it was read. An object is pinned by what its store says of it with
each answer. No part is made of bytes that the plan does not know.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from app.batch.errors import BatchError, BatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.batch.plan import InputFile

Range = tuple[int, int]
BLOCK = 1 << 20
# Read ahead of each column of Parquet: a column chunk of any size is never held as a whole.
DISK_READ_AHEAD = 1 << 16
STORE_READ_AHEAD = 1 << 20
RESTORE = "restore the file, or plan again into another folder"


@dataclass(frozen=True)
class Pin:
    """What says which content an object has; `etag` and `version` are empty if the store has none.

    A weak ETag is as good: it is compared, never sent.
    """

    bytes: int
    etag: str = ""
    version: str = ""

    @property
    def text(self) -> str:
        """For errors."""
        words = (f"{self.bytes:,} bytes", self.etag and f"ETag {self.etag}")
        return ", ".join(
            [word for word in words if word] + [f"version {self.version}"] * bool(self.version)
        )


class Source(Protocol):
    """An open file of the input."""

    stream: BinaryIO
    read_ahead: int

    @property
    def pin(self) -> Pin:
        """What it is, as a store pins it; on disk only its size."""

    def verify(self, ranges: Iterable[Range], expected: str) -> None:
        """Raises BatchRefusedError unless these bytes have the hash that the plan pins."""

    def confirm(self, found: str, expected: str) -> None:
        """Raises BatchRefusedError unless what was read has the hash that the plan pins."""

    def require_unchanged(self) -> None:
        """Raises BatchRefusedError if the file was written to since it was opened."""

    def close(self) -> None:
        """Close it."""


def open_file(path: Path) -> BinaryIO:
    """Open a file of the input. Raises BatchError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BatchError(
            f"{path} cannot be read",
            expected="the file that was planned",
            found=error.strerror or type(error).__name__,
            fix="make it readable where it was when it was planned",
        ) from error


def sha256_of(stream: BinaryIO, ranges: Iterable[Range]) -> str:
    """The SHA-256 of some ranges of an open file, one after the other."""
    digest = hashlib.sha256()
    for start, end in ranges:
        stream.seek(start)
        left = end - start
        while left > 0 and (block := stream.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


class LocalSource:
    """A file on disk."""

    read_ahead = DISK_READ_AHEAD

    def __init__(self, path: Path, name: str) -> None:
        """Raises BatchError."""
        self.stream = open_file(path)
        self._name = name
        self._opened = os.fstat(self.stream.fileno())

    @property
    def pin(self) -> Pin:
        """Its size."""
        return Pin(self._opened.st_size)

    def close(self) -> None:
        """Close it."""
        self.stream.close()

    def verify(self, ranges: Iterable[Range], expected: str) -> None:
        """Raises BatchRefusedError unless these bytes have the hash that the plan pins."""
        self.confirm(sha256_of(self.stream, ranges), expected)

    def confirm(self, found: str, expected: str) -> None:
        """Raises BatchRefusedError unless what was read has the hash that the plan pins."""
        require_hash(self._name, found, expected)

    def require_unchanged(self) -> None:
        """Raises BatchRefusedError if the file was written to since it was opened."""
        now = os.fstat(self.stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
            raise changed(
                self._name, "a file that nobody writes to", "one that was written to meanwhile"
            )


def require_size(file: InputFile, found: int) -> None:
    """Raises BatchRefusedError unless the file has the size that the plan pins."""
    if found != file.bytes:
        raise changed(file.path, f"{file.bytes:,} bytes", f"{found:,} bytes")


def require_hash(name: str, found: str, expected: str) -> None:
    """Raises BatchRefusedError unless what was read has the hash that the plan pins."""
    if found != expected:
        raise changed(name, f"sha256:{expected}", f"sha256:{found}")


def changed(name: str, expected: str, found: str) -> BatchRefusedError:
    """The error for an input that is not what was planned."""
    return BatchRefusedError(
        f"{name} changed after it was planned", expected=expected, found=found, fix=RESTORE
    )
