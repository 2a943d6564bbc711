"""CSV and JSON Lines: shards are ranges of bytes that begin and end between two records.

A quoted line break of CSV is inside of a record: the parser of CSV says where records end.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from app.batch.chunks import CsvChunk, JsonChunk
from app.batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

BOM = b"\xef\xbb\xbf"
# Also what one request asks of a store.
BLOCK = 1 << 22


class Scan(Iterator[str]):
    """The lines of a file of UTF-8, and how many bytes they were and what hash these have."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        # An object in a store has no buffer of its own.
        raw: object = stream
        self._stream = io.BufferedReader(raw, BLOCK) if isinstance(raw, io.RawIOBase) else stream
        self._name = name
        self._file = hashlib.sha256()
        self._shard = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.position = 0

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            raise StopIteration
        start = self.position
        self.position += len(line)
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._pending_bytes > BLOCK:
            self._flush()
        try:
            return (line.removeprefix(BOM) if start == 0 else line).decode()
        except UnicodeDecodeError as error:
            raise BatchError(
                f"{self._name} is not UTF-8",
                expected="UTF-8",
                found=f"another encoding at byte {start + error.start:,}",
                fix="write the file as UTF-8",
            ) from error

    def cut(self) -> str:
        """The SHA-256 of the lines since the last cut."""
        self._flush()
        digest = self._shard.hexdigest()
        self._shard = hashlib.sha256()
        return digest

    def sha256(self) -> str:
        """The SHA-256 of all lines."""
        self._flush()
        return self._file.hexdigest()

    def _flush(self) -> None:
        block = b"".join(self._pending)
        self._file.update(block)
        self._shard.update(block)
        self._pending, self._pending_bytes = [], 0


class Stretch(io.RawIOBase):
    """A range of an open file as a stream of its own, and the hash of what was read of it."""

    def __init__(self, stream: BinaryIO, start: int, end: int) -> None:
        super().__init__()
        stream.seek(start)
        self.start = start
        self._stream, self._left = stream, end - start
        self._read = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read."""
        return self._read.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # of any buffer
        count = self._stream.readinto(view[: self._left])  # type: ignore[attr-defined]
        self._read.update(view[:count])
        self._left -= count
        return int(count)


def records(lines: Iterator[str], name: str) -> Iterator[list[str]]:
    """The records of CSV, blank lines left out. Raises BatchError."""
    reader = csv.reader(lines, strict=True)
    try:
        for record in reader:
            if record:
                yield record
    except csv.Error as error:
        raise BatchError(
            f"{name} is not valid CSV",
            expected="quotes that end, and LF or CRLF between lines",
            found=f"line {reader.line_num:,}: {error}",
            fix="write the file again with a CSV library",
        ) from error


def csv_chunks(
    stretch: Stretch, name: str, columns: Sequence[str], rows: int
) -> Iterator[CsvChunk]:
    """The records of a range, so many at a time."""
    text = io.TextIOWrapper(io.BufferedReader(stretch, BLOCK), encoding="utf-8", newline="")
    found = records(text, name)
    while chunk := list(islice(found, rows)):
        yield CsvChunk(tuple(columns), chunk)


def json_chunks(stretch: Stretch, extra: Sequence[str], rows: int) -> Iterator[JsonChunk]:
    """The lines of a range, so many at a time; blank ones are no rows."""
    first, raw = stretch.start == 0, io.BufferedReader(stretch, BLOCK)
    lines = (line.removeprefix(BOM) if first and at == 0 else line for at, line in enumerate(raw))
    found = (line for line in lines if line.strip())
    while chunk := list(islice(found, rows)):
        yield JsonChunk(chunk, extra)
