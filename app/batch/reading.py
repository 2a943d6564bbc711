"""The rows of a shard, chunk by chunk, from a file that is what the plan pins."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from app.batch import lines, parquet
from app.batch.errors import BatchError, BatchRefusedError, StoreError
from app.batch.inputs import opened as open_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.batch.chunks import CsvChunk, JsonChunk, TableChunk
    from app.batch.inputs import Inputs
    from app.batch.plan import InputFile, Plan, Shard
    from app.batch.source import Source

    Chunks = Iterator[TableChunk] | Iterator[CsvChunk] | Iterator[JsonChunk]


@contextmanager
def opened(plan: Plan, shard: Shard, inputs: Inputs, features: Sequence[str]) -> Iterator[Chunks]:
    """The chunks of a shard. Raises BatchError; BatchRefusedError if the file has changed."""
    file = plan.files[shard.file]
    columns = tuple(dict.fromkeys((*features, *plan.passthrough)))
    with open_input(inputs, file) as source:
        if file.format == "parquet":
            table = _open_table(source, file)
            groups = range(shard.start, shard.end)
            if groups.stop > table.num_row_groups:
                source.verify([(0, file.bytes)], file.sha256)
            source.verify(parquet.ranges(source.stream, table, groups, columns), shard.sha256)
            yield parquet.chunks(table, file.path, groups, columns, plan.chunk_rows)
        else:
            span = (shard.start, shard.end)
            source.verify([span], shard.sha256)
            stretch = lines.Stretch(source.stream, *span)
            if file.format == "csv":
                yield lines.csv_chunks(stretch, file.path, file.columns, plan.chunk_rows)
            else:
                extra = [n for n in (*plan.passthrough, *plan.ignore) if n not in features]
                yield lines.json_chunks(stretch, extra, plan.chunk_rows)
            source.confirm(stretch.sha256, shard.sha256)
        source.require_unchanged()


def passthrough_fields(plan: Plan, shard: Shard, inputs: Inputs) -> list[Any]:
    """The Arrow fields of the columns that are written as they are; of lines, texts."""
    file = plan.files[shard.file]
    if file.format != "parquet" or not plan.passthrough:
        return [pa.field(name, pa.string()) for name in plan.passthrough]
    with open_input(inputs, file) as source:
        schema = _open_table(source, file).schema_arrow
        if not {*plan.passthrough} <= {*schema.names}:
            source.verify([(0, file.bytes)], file.sha256)
        return [pa.field(name, schema.field(name).type) for name in plan.passthrough]


def _open_table(source: Source, file: InputFile) -> Any:
    """A Parquet file; one that could be opened when it was planned has changed, if it cannot be."""
    try:
        return parquet.open_table(source.stream, file.path, source.read_ahead)
    except (BatchRefusedError, StoreError):
        raise
    except BatchError:
        source.verify([(0, file.bytes)], file.sha256)
        raise
