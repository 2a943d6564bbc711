"""The files of a part: written whole or not at all, and known by the run in their metadata.

`part-00003.parquet` has the predicted rows of shard 3, `rejected/part-00003.parquet` the others.
A part is there when both are; the first is renamed last.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.batch.errors import BatchRefusedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

REJECTED = "rejected"
FAILED = "failed"
# Key of the metadata of a part's schema.
FACTS = b"ml-model.batch"
# A row group of a part: small enough that one in the making costs little memory.
GROUP_ROWS = 1 << 17


@dataclass(frozen=True)
class Facts:
    """What a part says of itself: the run and its bundle, and what became of the shard's rows."""

    run: str
    bundle: str
    part: int
    rows: int
    predicted: int
    rejected: int


def part_path(out: Path, index: int) -> Path:
    """The file with the predicted rows of a shard."""
    return out / f"part-{index:05d}.parquet"


def rejected_path(out: Path, index: int) -> Path:
    """The file with the rejected rows of a shard."""
    return out / REJECTED / f"part-{index:05d}.parquet"


def failure_path(out: Path, index: int) -> Path:
    """Why a shard was not predicted, until it is."""
    return out / FAILED / f"part-{index:05d}.json"


def read_facts(path: Path, run: str) -> Facts | None:
    """What a part says of itself; None if there is none. Raises BatchRefusedError."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
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


def read_complete(out: Path, index: int, run: str) -> Facts | None:
    """What a part says of itself if both of its files do. Raises BatchRefusedError."""
    facts = read_facts(part_path(out, index), run)
    beside = read_facts(rejected_path(out, index), run)
    return facts if facts == beside else None


class PartWriter:
    """Writes rows to a temporary file beside `path`; `commit` puts it in its place."""

    def __init__(self, path: Path, schema: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._temporary = _temporary(path)
        self._stream = self._temporary.open("wb")
        # Numbers of a model hardly ever repeat: a dictionary of them costs time and saves nothing.
        texts = [field.name for field in schema if field.type not in (pa.float64(), pa.int64())]
        self._writer = pq.ParquetWriter(self._stream, schema, use_dictionary=texts)
        self._schema = schema
        self._held: list[Any] = []
        self._held_rows = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, columns: list[Any]) -> None:
        """Add rows: one array for each field of the schema."""
        batch = pa.record_batch(columns, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        if self._held_rows >= GROUP_ROWS:
            self._write_group()

    def commit(self, facts: Facts) -> None:
        """Complete the file and put it in its place, on disk."""
        self._write_group()
        self._writer.add_key_value_metadata({FACTS: orjson.dumps(asdict(facts))})
        self._writer.close()
        _replace(self._stream, self._temporary, self._path)

    def _write_group(self) -> None:
        if self._held_rows:
            self._writer.write_table(pa.Table.from_batches(self._held))
        self._held, self._held_rows = [], 0


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside the parts whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    with temporary.open("wb") as stream:
        stream.write(data)
        _replace(stream, temporary, path)


def _temporary(path: Path) -> Path:
    """Of this process: two that write the same file do not write into each other's."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _replace(stream: BinaryIO, temporary: Path, path: Path) -> None:
    """Put what was written in its place, on disk."""
    stream.flush()
    os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
