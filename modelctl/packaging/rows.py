"""Read the rows of a CSV or Parquet file as the JSON values of a model's contract."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Booleans as spreadsheets and pandas write them.
BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "1.0": True, "0.0": False}
# Cells that pandas reads as missing values.
MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"})
MAX_SHOWN = 10


def read_rows(path: Path, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row of a file by feature name; other columns are ignored.

    Raises ModelctlError with the cells that cannot be converted, at most MAX_SHOWN.
    """
    invalid: list[str] = []
    if path.suffix == ".parquet":
        rows = [_row(record, f"row {at}", inputs, invalid) for at, record in _parquet(path, inputs)]
    else:
        try:
            with path.open(newline="", encoding="utf-8-sig") as stream:
                reader = csv.DictReader(stream)
                _ensure_columns(path, list(reader.fieldnames or []), inputs)
                lines = enumerate(reader, 2)
                rows = [_row(record, f"line {at}", inputs, invalid) for at, record in lines]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error
    if invalid:
        more = f" and {len(invalid) - MAX_SHOWN} more" if len(invalid) > MAX_SHOWN else ""
        shown = "; ".join(invalid[:MAX_SHOWN])
        raise ModelctlError(f"{path} has cells of the wrong type", found=shown + more)
    if not rows:
        raise ModelctlError(f"{path} has no rows")
    return rows


def _parquet(
    path: Path, inputs: list[dict[str, Any]]
) -> Iterable[tuple[int, dict[str, str | None]]]:
    """Every row as the texts of a CSV file, so that both formats are read the same way."""
    from modelctl.packaging.samples import read_sample

    frame = read_sample(path, lambda _columns: {}).rename(columns=str)
    _ensure_columns(path, list(frame.columns), inputs)
    columns = {}
    for name in (entry["name"] for entry in inputs):
        column = frame[name].astype(object)
        columns[name] = [
            None if missing else str(value)
            for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True)
        ]
    names = list(columns)
    for at, values in enumerate(zip(*columns.values(), strict=True), 1):
        yield at, dict(zip(names, values, strict=True))


def _ensure_columns(path: Path, columns: list[str], inputs: list[dict[str, Any]]) -> None:
    missing = [entry["name"] for entry in inputs if entry["name"] not in columns]
    if missing:
        raise ModelctlError(
            f"{path} lacks columns of the model: {', '.join(missing)}",
            expected=", ".join(entry["name"] for entry in inputs),
            found=", ".join(columns),
        )


def _row(
    record: dict[str, str | None], location: str, inputs: list[dict[str, Any]], invalid: list[str]
) -> dict[str, Any]:
    row = {}
    for entry in inputs:
        name, dtype = entry["name"], entry["dtype"]
        text = record[name] or ""
        # A category may look like a missing value, or end with a space.
        is_category = text in (entry.get("categories") or ())
        text = text if is_category else text.strip()
        try:
            is_missing = not is_category and text in MISSING
            row[name] = None if is_missing else _value(text, dtype)
        except (ValueError, KeyError):
            invalid.append(f"{location}, {name}: expected {dtype}, found {text[:40]!r}")
    return row


def _value(text: str, dtype: str) -> Any:
    if dtype in ("string", "datetime"):
        return text
    if dtype == "boolean":
        return BOOLEANS[text.lower()]
    if dtype == "integer":
        # pandas writes integers as 3.0 in a column with missing values.
        return int(text) if text.lstrip("+-").isdigit() else _whole(float(text))
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(number)
    return int(number)
