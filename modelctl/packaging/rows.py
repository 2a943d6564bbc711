"""Rows of a CSV or Parquet file -> the JSON values of a model's contract. Knows nothing of HTTP."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Spellings of a boolean that spreadsheets and pandas write.
BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "1.0": True, "0.0": False}
# Cells that mean "no value", as pandas writes and reads them.
MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"})
MAX_SHOWN = 10


def read_rows(path: Path, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row of a file by feature name; other columns are left out.

    Raises ModelctlError naming every cell that cannot be converted, at most MAX_SHOWN.
    """
    wrong: list[str] = []
    if path.suffix == ".parquet":
        rows = [_row(record, f"row {at}", inputs, wrong) for at, record in _parquet(path, inputs)]
    else:
        try:
            with path.open(newline="", encoding="utf-8-sig") as stream:
                reader = csv.DictReader(stream)
                _check_columns(path, list(reader.fieldnames or []), inputs)
                lines = enumerate(reader, 2)
                rows = [_row(record, f"line {at}", inputs, wrong) for at, record in lines]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error
    if wrong:
        more = f" and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
        shown = "; ".join(wrong[:MAX_SHOWN])
        raise ModelctlError(f"{path} has cells of another type", found=shown + more)
    if not rows:
        raise ModelctlError(f"{path} has no rows")
    return rows


def _parquet(
    path: Path, inputs: list[dict[str, Any]]
) -> Iterable[tuple[int, dict[str, str | None]]]:
    """Every row as the texts that CSV would hold, so that both formats mean the same."""
    from modelctl.packaging.samples import read_sample

    frame = read_sample(path, {}).rename(columns=str)
    _check_columns(path, list(frame.columns), inputs)
    columns = {}
    for name in (entry["name"] for entry in inputs):
        column = frame[name].astype(object)
        columns[name] = [
            None if gone else str(value)
            for value, gone in zip(column.tolist(), column.isna().tolist(), strict=True)
        ]
    names = list(columns)
    for at, values in enumerate(zip(*columns.values(), strict=True), 1):
        yield at, dict(zip(names, values, strict=True))


def _check_columns(path: Path, found: list[str], inputs: list[dict[str, Any]]) -> None:
    missing = [entry["name"] for entry in inputs if entry["name"] not in found]
    if missing:
        raise ModelctlError(
            f"{path} lacks columns of the model: {', '.join(missing)}",
            expected=", ".join(entry["name"] for entry in inputs),
            found=", ".join(found),
        )


def _row(
    record: dict[str, str | None], place: str, inputs: list[dict[str, Any]], wrong: list[str]
) -> dict[str, Any]:
    row = {}
    for entry in inputs:
        name, dtype = entry["name"], entry["dtype"]
        text = record[name] or ""
        # A category may have the name of a missing value, or a space at its end.
        is_category = text in (entry.get("categories") or ())
        text = text if is_category else text.strip()
        try:
            absent = not is_category and text in MISSING
            row[name] = None if absent else _value(text, dtype)
        except (ValueError, KeyError):
            wrong.append(f"{place}, {name}: {text[:40]!r} is no {dtype}")
    return row


def _value(text: str, dtype: str) -> Any:
    if dtype == "string":
        return text
    if dtype == "boolean":
        return BOOLEANS[text.lower()]
    if dtype == "integer":
        # A column of whole numbers with gaps is written as 3.0 by pandas.
        return int(text) if text.lstrip("+-").isdigit() else _whole(float(text))
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(number)
    return int(number)
