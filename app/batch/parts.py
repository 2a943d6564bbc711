"""The files of a part: written whole or not at all, and known by the run in their metadata.

`part-00003.parquet` has the predicted rows of shard 3, `rejected/part-00003.parquet` the others.
A part is there when both are; the first is put in its place last.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.batch.errors import BatchRefusedError

if TYPE_CHECKING:
    from types import TracebackType

    from app.batch.folders import Folder, Writing

REJECTED = "rejected"
FAILED = "failed"
# Key of the metadata of a part's schema.
FACTS = b"ml-model.batch"
# A row group of a part: small enough that one in the making costs little memory.
GROUP_ROWS = 1 << 17
GROUP_BYTES = 1 << 26


@dataclass(frozen=True)
class Facts:
    """What a part says of itself: the run and its bundle, and what became of the shard's rows."""

    run: str
    bundle: str
    part: int
    rows: int
    predicted: int
    rejected: int


def part_name(index: int) -> str:
    """The file with the predicted rows of a shard."""
    return f"part-{index:05d}.parquet"


def rejected_name(index: int) -> str:
    """The file with the rejected rows of a shard."""
    return f"{REJECTED}/part-{index:05d}.parquet"


def failure_name(index: int) -> str:
    """Why a shard was not predicted, until it is."""
    return f"{FAILED}/part-{index:05d}.json"


def read_facts(folder: Folder, name: str, run: str) -> Facts | None:
    """What a part says of itself; None if there is none. Raises BatchRefusedError, StoreError."""
    path = folder.where(name)
    try:
        with folder.open(name) as stream:
            metadata = pq.read_metadata(stream).metadata or {}
        facts = msgspec.convert(orjson.loads(metadata[FACTS]), Facts)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise BatchRefusedError(
            f"{path} is no part of a batch run",
            found=f"{type(error).__name__}: {error}"[:300],
            fix="remove it if it is damaged, or use another folder",
        ) from error
    if facts.run != run:
        raise BatchRefusedError(
            f"{path} belongs to another run",
            expected=f"run {run}",
            found=f"run {facts.run}",
            fix="use another folder for each run, or remove the parts of the other one",
        )
    return facts


def read_complete(folder: Folder, index: int, run: str) -> Facts | None:
    """What a part says of itself if both of its files do. Raises BatchRefusedError, StoreError."""
    facts = read_facts(folder, part_name(index), run)
    beside = read_facts(folder, rejected_name(index), run)
    return facts if facts == beside else None


class PartWriter:
    """Writes rows into a file in the making; `commit` puts it in its place."""

    def __init__(self, writing: Writing, schema: Any) -> None:
        self._writing = writing
        # Numbers of a model hardly ever repeat: a dictionary of them costs time and saves nothing.
        texts = [field.name for field in schema if field.type not in (pa.float64(), pa.int64())]
        self._writer = pq.ParquetWriter(writing.stream, schema, use_dictionary=texts)
        self._schema = schema
        self._held: list[Any] = []
        self._held_rows = self._held_bytes = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the stream; what was not committed is thrown away with it."""
        with suppress(pa.ArrowException, OSError):
            self._writer.close()

    def write(self, columns: list[Any]) -> None:
        """Add rows: one array for each field of the schema."""
        batch = pa.record_batch(columns, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_rows >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._write_group()

    def commit(self, facts: Facts) -> None:
        """Complete the file and put it in its place. Raises StoreError."""
        self._write_group()
        self._writer.add_key_value_metadata({FACTS: orjson.dumps(asdict(facts))})
        self._writer.close()
        self._writing.commit()

    def _write_group(self) -> None:
        if self._held_rows:
            self._writer.write_table(pa.Table.from_batches(self._held))
        self._held, self._held_rows, self._held_bytes = [], 0, 0
