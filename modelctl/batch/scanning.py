"""One file -> its shards, with their rows, bytes and hashes; reads it once from begin to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.batch import lines, parquet
from app.batch.errors import BatchRefusedError
from app.batch.plan import InputFile, Shard
from app.batch.source import open_file, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.batch.plan import Format
    from app.model.contract import Contract

MAX_SHOWN = 10


@dataclass(frozen=True)
class Columns:
    """Which columns a file has to have, and which it may have."""

    contract: Contract
    passthrough: tuple[str, ...]
    ignore: tuple[str, ...]

    @property
    def read(self) -> tuple[str, ...]:
        """Those that a run reads."""
        return tuple(dict.fromkeys((*self.contract.names, *self.passthrough)))

    def require(self, name: str, found: Sequence[str]) -> None:
        """Raise BatchRefusedError for columns that are missing, unknown or there twice."""
        missing = [column for column in self.read if column not in found]
        if missing:
            raise _columns_error(f"{name} lacks columns", missing, found, "")
        known = {*self.read, *self.ignore, *self.contract.ignored}
        unknown = [column for column in found if column not in known]
        if unknown and self.contract.extra != "ignore":
            fix = " ".join(f"--ignore {column}" for column in unknown[:MAX_SHOWN])
            fix += ", or --passthrough to write them beside the predictions"
            raise _columns_error(f"{name} has columns that are no features", unknown, found, fix)
        twice = sorted({column for column in found if list(found).count(column) > 1})
        if twice:
            raise _columns_error(f"{name} has columns twice", twice, found, "rename one of them")


@dataclass(frozen=True)
class Request:
    """One file to scan: `number` is its place in the plan."""

    path: Path
    name: str
    number: int
    shard_rows: int
    columns: Columns


def scan(request: Request, kind: Format) -> tuple[InputFile, list[Shard]]:
    """The file and its shards. Raises BatchError."""
    if kind == "parquet":
        return _parquet(request)
    return _csv(request) if kind == "csv" else _jsonl(request)


def _parquet(request: Request) -> tuple[InputFile, list[Shard]]:
    with open_file(request.path) as stream:
        size = stream.seek(0, 2)
        sha256 = sha256_of(stream, [(0, size)])
        table = parquet.open_table(stream, request.name)
        schema = table.schema_arrow
        request.columns.require(request.name, schema.names)
        for name in request.columns.contract.names:
            kind = schema.field(name).type
            if not parquet.is_readable(kind):
                raise BatchRefusedError(
                    f"the column {name!r} of {request.name} is of a type that no feature has",
                    expected=parquet.READABLE,
                    found=str(kind),
                    fix="write the column as one of them",
                )
        shards = [
            Shard(
                request.number,
                groups.start,
                groups.stop,
                first,
                rows,
                sha256_of(stream, parquet.ranges(stream, table, groups, request.columns.read)),
            )
            for groups, first, rows in _groups(table.metadata, request.shard_rows)
        ]
    rows = int(table.metadata.num_rows)
    return InputFile(request.name, "parquet", size, sha256, rows), shards


def _groups(metadata: Any, limit: int) -> Iterator[tuple[range, int, int]]:
    """Row groups that follow each other, up to so many rows together; one has to be whole."""
    start = first = rows = 0
    for index in range(metadata.num_row_groups):
        count = metadata.row_group(index).num_rows
        if rows and rows + count > limit:
            yield range(start, index), first, rows
            start, first, rows = index, first + rows, 0
        rows += count
    if rows:
        yield range(start, metadata.num_row_groups), first, rows


def _csv(request: Request) -> tuple[InputFile, list[Shard]]:
    with open_file(request.path) as stream:
        scanned = lines.Scan(stream, request.name)
        found = lines.records(scanned, request.name)
        header = tuple(next(found, ()))
        # pandas writes a frame's index as a first column without a name.
        named = header[1:] if header[:1] == ("",) else header
        request.columns.require(request.name, named)
        scanned.cut()
        shards = _shards(request, scanned, found)
    rows = sum(shard.rows for shard in shards)
    file = InputFile(request.name, "csv", scanned.position, scanned.sha256(), rows, header)
    return file, shards


def _jsonl(request: Request) -> tuple[InputFile, list[Shard]]:
    with open_file(request.path) as stream:
        scanned = lines.Scan(stream, request.name)
        shards = _shards(request, scanned, (line for line in scanned if line.strip()))
    rows = sum(shard.rows for shard in shards)
    return InputFile(request.name, "jsonl", scanned.position, scanned.sha256(), rows), shards


def _shards(request: Request, scanned: lines.Scan, found: Iterator[Any]) -> list[Shard]:
    """Cut what is scanned after so many records; blank lines at the end belong to the last one."""
    shards: list[Shard] = []
    start, first, rows = scanned.position, 0, 0
    for _ in found:
        rows += 1
        if rows == request.shard_rows:
            end = scanned.position
            shards.append(Shard(request.number, start, end, first, rows, scanned.cut()))
            start, first, rows = end, first + rows, 0
    if rows:
        end = scanned.position
        shards.append(Shard(request.number, start, end, first, rows, scanned.cut()))
    return shards


def _columns_error(
    what: str, columns: Sequence[str], found: Sequence[str], fix: str
) -> BatchRefusedError:
    more = f" and {len(columns) - MAX_SHOWN} more" if len(columns) > MAX_SHOWN else ""
    return BatchRefusedError(
        f"{what}: {', '.join(columns[:MAX_SHOWN])}{more}",
        expected="the features of the model",
        found=", ".join(found[: 2 * MAX_SHOWN]) or "no columns",
        fix=fix,
    )
