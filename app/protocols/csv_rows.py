"""Rows as CSV, as MLflow's clients and pandas' `to_csv` write them: a line of names, then values.

CSV has no types: a cell is read as what its feature is, and the same Validator decides. An empty
cell is a missing value.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from app.errors import FieldError, RequestError
from app.model.validation import contract_error, row_count_error
from app.protocols.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.model.contract import Contract
    from app.model.feature import Feature
    from app.model.validation import Batch, Validator

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
# As Python, R and JSON write them.
BOOLEANS = {
    "True": True,
    "TRUE": True,
    "true": True,
    "False": False,
    "FALSE": False,
    "false": False,
}
# What pandas and R write for a missing number.
MISSING_NUMBERS = frozenset({"", "NaN", "nan", "NA", "null"})
HEADER_LOC = ("columns",)


class CsvReader:
    """Reads CSV for one model. Built once, used by every request."""

    def __init__(self, contract: Contract, validator: Validator, max_rows: int) -> None:
        self._columns = Columns(contract, validator, max_rows)
        self._cells = {feature.name: cell_reader(feature) for feature in contract.inputs}
        self._max_rows = max_rows

    def read(self, body: bytes) -> Batch:
        """The rows of a body. Raises RequestError 400 or 422; places are row and column."""
        try:
            # A byte order mark is how Excel says that a file is UTF-8.
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _csv_error(
                f"expected UTF-8, found another encoding at byte {error.start}"
            ) from error
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            return self._read(line for line in reader if line)
        except csv.Error as error:
            raise _csv_error(f"line {reader.line_num}: {error}") from error

    def _read(self, lines: Iterator[list[str]]) -> Batch:
        columns = next(lines, [])
        # pandas writes a frame's index as a first column without a name.
        skip = int(columns[:1] == [""])
        columns = columns[skip:]
        if self._cells.keys().isdisjoint(columns):
            text = "expected a first line with the names of the features, found none of them"
            raise contract_error([FieldError(HEADER_LOC, text)])
        self._columns.require_columns(columns, HEADER_LOC)
        cells = [self._cells.get(name, str) for name in columns]
        rows: list[list[Any]] = []
        count = 0
        for line in lines:
            count += 1
            if count <= self._max_rows:
                values = line[skip:]
                # A line of another length is left as it is: its length is the error.
                is_whole = len(values) == len(cells)
                rows.append(
                    [read(value) for read, value in zip(cells, values, strict=True)]
                    if is_whole
                    else list(values)
                )
        if not 1 <= count <= self._max_rows:
            raise row_count_error(count, self._max_rows, ())
        return self._columns.read_rows(columns, rows, HEADER_LOC, ())


def cell_reader(feature: Feature) -> Callable[[str], Any]:
    """The function that reads a cell as JSON would have its value; what is unclear stays text."""
    if feature.dtype == "boolean":
        return lambda text: None if text == "" else BOOLEANS.get(text, text)
    if feature.dtype == "datetime":
        return lambda text: None if text == "" else _number(text) if text.isdigit() else text
    if feature.dtype == "string":
        is_missing = feature.missing == "allow" and "" not in (feature.categories or ())
        return lambda text: None if text == "" and is_missing else text
    return _number


def _number(text: str) -> Any:
    stripped = text.strip()
    if stripped in MISSING_NUMBERS:
        return None
    if INTEGER.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if NUMBER.fullmatch(stripped) else text


def _csv_error(detail: str) -> RequestError:
    return RequestError(400, "not-csv", "The body is not valid CSV", detail)
