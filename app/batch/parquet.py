"""Parquet: shards are row groups, of which only the columns that are needed are read and pinned."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from app.batch.chunks import TableChunk
from app.batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.batch.source import Range

# The footer's length and the magic bytes.
TAIL = 8
READABLE = "numbers, booleans, texts, dates and timestamps"


def open_table(stream: BinaryIO, name: str, read_ahead: int) -> Any:
    """Open a Parquet file, of which so many bytes are read ahead. Raises BatchError."""
    try:
        return pq.ParquetFile(
            stream, pre_buffer=False, buffer_size=read_ahead, page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as error:
        raise BatchError(
            f"{name} cannot be read as Parquet",
            expected="a complete Parquet file",
            found=str(error)[:300],
            fix="write the file again",
        ) from error


def is_readable(kind: Any) -> bool:
    """Whether values of an Arrow type have a form in JSON that a feature may have."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    return any(test(kind) for test in tests)


def ranges(stream: BinaryIO, table: Any, groups: range, columns: Sequence[str]) -> list[Range]:
    """The bytes that are read for some row groups: the footer, then the chunks of the columns."""
    size = stream.seek(-TAIL, 2) + TAIL
    footer = size - TAIL - int.from_bytes(stream.read(4), "little")
    found = [(footer, size)]
    for group in groups:
        described = table.metadata.row_group(group)
        for index in range(described.num_columns):
            chunk = described.column(index)
            path = chunk.path_in_schema
            if any(path == name or path.startswith(f"{name}.") for name in columns):
                pages = [chunk.data_page_offset, chunk.dictionary_page_offset]
                start = min(page for page in pages if page)
                found.append((start, start + chunk.total_compressed_size))
    return found


def chunks(
    table: Any, name: str, groups: range, columns: Sequence[str], rows: int
) -> Iterator[TableChunk]:
    """The rows of some row groups, so many at a time. Raises BatchError if they are corrupt."""
    batches = table.iter_batches(
        batch_size=rows, row_groups=list(groups), columns=list(columns), use_threads=False
    )
    sizes = [table.metadata.row_group(group).num_rows for group in groups]
    read = 0
    try:
        for batch in batches:
            # Texts that are none would else be passed through, or found far from here.
            batch.validate(full=True)
            yield TableChunk(batch)
            read += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(name, groups, sizes, range(read, read + rows), str(error)[:300]) from error
    if read != sum(sizes):
        found = f"{read:,} rows instead of {sum(sizes):,}"
        raise _corrupt(name, groups, sizes, range(read, sum(sizes)), found)


def _corrupt(name: str, groups: range, sizes: Sequence[int], rows: range, found: str) -> BatchError:
    """The error for some rows of row groups with so many each."""
    ends = list(accumulate(sizes))
    hit = [
        group
        for group, end, size in zip(groups, ends, sizes, strict=True)
        if end > rows.start and end - size < rows.stop
    ] or list(groups)
    which = f"group {hit[0]}" if len(hit) == 1 else f"groups {hit[0]} to {hit[-1]}"
    return BatchError(
        f"row {which} of {name} cannot be read",
        expected="pages that can be decoded",
        found=found,
        fix="write the file again, and plan again into another folder",
    )
