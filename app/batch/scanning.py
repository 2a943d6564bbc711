"""One file -> its shards, with their rows, bytes and hashes; reads it once from begin to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.batch import lines, parquet
from app.batch.errors import BatchRefusedError
from app.batch.plan import InputFile, Shard
from app.batch.source import sha256_of
from app.errors import RequestError
from app.protocols.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.batch.plan import Format
    from app.batch.source import Source
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
        self._require_known(f"{name} has columns that are no features", found)
        twice = sorted({column for column in found if list(found).count(column) > 1})
        if twice:
            raise _columns_error(f"{name} has columns twice", twice, found, "rename one of them")

    def require_keys(self, name: str, line: str) -> None:
        """Raise BatchRefusedError for a first line of JSON with unknown keys or without features.

        A line that is no object or lacks some of the keys is a row like every other.
        """
        try:
            document = parse(line.encode())
        except RequestError:
            return
        if not isinstance(document, dict):
            return
        keys = list(document)
        if not set(keys) & set(self.contract.names):
            missing = self.contract.names
            raise _columns_error(f"the first line of {name} has no feature", missing, keys, "")
        self._require_known(f"the first line of {name} has keys that are no features", keys)

    def _require_known(self, what: str, found: Sequence[str]) -> None:
        known = {*self.read, *self.ignore, *self.contract.ignored}
        unknown = [column for column in found if column not in known]
        if unknown and self.contract.extra != "ignore":
            fix = " ".join(f"--ignore {column}" for column in unknown[:MAX_SHOWN])
            fix += ", or --passthrough to write them beside the predictions"
            raise _columns_error(what, unknown, found, fix)


@dataclass(frozen=True)
class Request:
    """One open file to scan: `number` is its place in the plan."""

    source: Source
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
    """An ETag pins a file of which no more than the footer is read."""
    source, stream, pin = request.source, request.source.stream, request.source.pin
    sha256 = "" if pin.etag else sha256_of(stream, [(0, pin.bytes)])
    table = parquet.open_table(stream, request.name, source.read_ahead)
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

    def pinned(groups: range) -> str:
        if pin.etag:
            return ""
        return sha256_of(stream, parquet.ranges(stream, table, groups, request.columns.read))

    shards = [
        Shard(request.number, groups.start, groups.stop, first, rows, pinned(groups))
        for groups, first, rows in _groups(table.metadata, request.shard_rows)
    ]
    return _file(request, "parquet", sha256, int(table.metadata.num_rows)), shards


def _file(
    request: Request, kind: Format, sha256: str, rows: int, columns: tuple[str, ...] = ()
) -> InputFile:
    pin = request.source.pin
    return InputFile(request.name, kind, pin.bytes, sha256, rows, columns, pin.etag, pin.version)


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
    scanned = lines.Scan(request.source.stream, request.name)
    found = lines.records(scanned, request.name)
    header = tuple(next(found, ()))
    # pandas writes a frame's index as a first column without a name.
    named = header[1:] if header[:1] == ("",) else header
    request.columns.require(request.name, named)
    scanned.cut()
    shards = _shards(request, scanned, found)
    _require_end(request, scanned)
    return _file(request, "csv", scanned.sha256(), _rows(shards), header), shards


def _jsonl(request: Request) -> tuple[InputFile, list[Shard]]:
    scanned = lines.Scan(request.source.stream, request.name)
    shards = _shards(request, scanned, _checked(request, scanned))
    _require_end(request, scanned)
    return _file(request, "jsonl", scanned.sha256(), _rows(shards)), shards


def _checked(request: Request, scanned: Iterator[str]) -> Iterator[str]:
    """The lines that are not blank; the keys of the first one have to be those of the contract."""
    is_first = True
    for line in scanned:
        if not line.strip():
            continue
        if is_first:
            is_first = False
            request.columns.require_keys(request.name, line)
        yield line


def _rows(shards: list[Shard]) -> int:
    return sum(shard.rows for shard in shards)


def _require_end(request: Request, scanned: lines.Scan) -> None:
    """Raise BatchRefusedError if a file grew or shrank while it was read."""
    request.source.require_unchanged()
    if scanned.position != request.source.pin.bytes:
        raise BatchRefusedError(
            f"{request.name} changed while it was planned",
            expected=f"{request.source.pin.bytes:,} bytes",
            found=f"{scanned.position:,}",
            fix="plan it when nobody writes to it",
        )


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
