"""Some rows of a file as they were read, before anything is decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class TableChunk:
    """Rows of a Parquet file."""

    rows: Any

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> Any:
        """One column as an Arrow array; of a time what microseconds can express."""
        column = self.rows.column(name)
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            cut = pc.floor_temporal(column, unit="microsecond")
            return cut.cast(pa.timestamp("us", column.type.tz))
        return column

    def passthrough(self, name: str) -> Any:
        """One column as it is written."""
        return self.rows.column(name)


@dataclass(frozen=True)
class CsvChunk:
    """Lines of a CSV file with these columns."""

    columns: tuple[str, ...]
    lines: list[list[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def taken(self, places: Sequence[int]) -> CsvChunk:
        """Some of the lines."""
        return CsvChunk(self.columns, [self.lines[at] for at in places])

    @cached_property
    def _cells(self) -> list[Any]:
        return list(zip(*self.lines, strict=True))

    def cells(self, name: str) -> list[str]:
        """One column's cells; every line has all of them."""
        return list(self._cells[self.columns.index(name)])

    def passthrough(self, name: str) -> Any:
        """One column as it is written; null where a line is too short."""
        at = self.columns.index(name)
        return pa.array([line[at] if at < len(line) else None for line in self.lines], pa.string())


class JsonChunk:
    """Lines of a JSON Lines file. `extra`: keys that are no features, and not part of a row."""

    def __init__(self, lines: list[bytes], extra: Sequence[str]) -> None:
        self.lines = lines
        self._extra = extra

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, document: Any) -> Any:
        """The row that is validated."""
        if type(document) is dict:
            for name in self._extra:
                document.pop(name, None)
        return document

    def passthrough(self, name: str) -> Any:
        """One key's values as texts: as they are, or as JSON if they are none."""
        return pa.array([_text_of(line, name) for line in self.lines], pa.string())


def _text_of(line: bytes, name: str) -> str | None:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    value = document.get(name) if isinstance(document, dict) else None
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
