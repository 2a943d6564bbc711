"""A file of the input, read only as the plan pins it.

What is read is hashed first through the same open file, and the file must not have been written to
by the time it was read: no part is made of bytes that the plan does not know.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO

from app.batch.errors import BatchError, BatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from app.batch.plan import InputFile

Range = tuple[int, int]
BLOCK = 1 << 20
RESTORE = "restore the file, or plan again into another folder"


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


class Source:
    """An open file of the input, of the size that the plan pins."""

    def __init__(self, path: Path, file: InputFile) -> None:
        """Raises BatchError, or BatchRefusedError if the size is another one."""
        self.stream = open_file(path)
        self._file = file
        self._opened = os.fstat(self.stream.fileno())
        if self._opened.st_size != file.bytes:
            self.stream.close()
            raise self._changed(f"{file.bytes:,} bytes", f"{self._opened.st_size:,} bytes")

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stream.close()

    def verify(self, ranges: Iterable[Range], expected: str) -> None:
        """Raises BatchRefusedError unless these bytes have the hash that the plan pins."""
        found = sha256_of(self.stream, ranges)
        if found != expected:
            raise self._changed(f"sha256:{expected}", f"sha256:{found}")

    def require_unchanged(self) -> None:
        """Raises BatchRefusedError if the file was written to since it was opened."""
        now = os.fstat(self.stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
            raise self._changed("a file that nobody writes to", "one that was written to meanwhile")

    def _changed(self, expected: str, found: str) -> BatchRefusedError:
        return BatchRefusedError(
            f"{self._file.path} changed after it was planned",
            expected=expected,
            found=found,
            fix=RESTORE,
        )
