"""The rows of a shard, chunk by chunk, from a file that is what the plan pins."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from app.batch import lines, parquet
from app.batch.errors import BatchError
from app.batch.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.batch.chunks import CsvChunk, JsonChunk, TableChunk
    from app.batch.plan import InputFile, Plan, Shard

    Chunks = Iterator[TableChunk] | Iterator[CsvChunk] | Iterator[JsonChunk]


@contextmanager
def opened(plan: Plan, shard: Shard, folder: Path, features: Sequence[str]) -> Iterator[Chunks]:
    """The chunks of a shard. Raises BatchError; BatchRefusedError if the file has changed."""
    file = plan.files[shard.file]
    columns = tuple(dict.fromkeys((*features, *plan.passthrough)))
    with Source(plan.source(folder, file), file) as source:
        stream, span = source.stream, (shard.start, shard.end)
        chunks: Chunks
        if file.format == "parquet":
            table = _open_table(source, file)
            groups = range(*span)
            if groups.stop > table.num_row_groups:
                source.verify([(0, file.bytes)], file.sha256)
            source.verify(parquet.ranges(stream, table, groups, columns), shard.sha256)
            chunks = parquet.chunks(table, file.path, groups, columns, plan.chunk_rows)
        else:
            source.verify([span], shard.sha256)
            if file.format == "csv":
                chunks = lines.csv_chunks(stream, file.path, file.columns, *span, plan.chunk_rows)
            else:
                extra = [n for n in (*plan.passthrough, *plan.ignore) if n not in features]
                chunks = lines.json_chunks(stream, extra, *span, plan.chunk_rows)
        yield chunks
        source.require_unchanged()


def passthrough_fields(plan: Plan, shard: Shard, folder: Path) -> list[Any]:
    """The Arrow fields of the columns that are written as they are; of lines, texts."""
    file = plan.files[shard.file]
    if file.format != "parquet" or not plan.passthrough:
        return [pa.field(name, pa.string()) for name in plan.passthrough]
    with Source(plan.source(folder, file), file) as source:
        schema = _open_table(source, file).schema_arrow
        if not {*plan.passthrough} <= {*schema.names}:
            source.verify([(0, file.bytes)], file.sha256)
        return [pa.field(name, schema.field(name).type) for name in plan.passthrough]


def _open_table(source: Source, file: InputFile) -> Any:
    """A Parquet file; one that could be opened when it was planned has changed, if it cannot be."""
    try:
        return parquet.open_table(source.stream, file.path)
    except BatchError:
        source.verify([(0, file.bytes)], file.sha256)
        raise
