"""CSV rows -> the JSON values of a model's contract. Knows nothing of HTTP."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

# Spellings of a boolean that spreadsheets and pandas write.
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# Cells that mean "no value", as pandas writes and reads them.
MISSING = frozenset({"", "NA", "NaN", "nan", "null", "None"})
MAX_SHOWN = 10


def read_rows(path: Path, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row of a CSV file by feature name; other columns are left out.

    Raises ModelctlError naming every cell that cannot be converted, at most MAX_SHOWN.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            _check_columns(path, list(reader.fieldnames or []), inputs)
            wrong: list[str] = []
            rows = [_row(record, number, inputs, wrong) for number, record in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error
    if wrong:
        more = f" and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
        raise ModelctlError(f"{path} has cells of another type", found="; ".join(wrong[:10]) + more)
    if not rows:
        raise ModelctlError(f"{path} has no rows")
    return rows


def _check_columns(path: Path, found: list[str], inputs: list[dict[str, Any]]) -> None:
    missing = [entry["name"] for entry in inputs if entry["name"] not in found]
    if missing:
        raise ModelctlError(
            f"{path} lacks columns of the model: {', '.join(missing)}",
            expected=", ".join(entry["name"] for entry in inputs),
            found=", ".join(found),
        )


def _row(
    record: dict[str, str], number: int, inputs: list[dict[str, Any]], wrong: list[str]
) -> dict[str, Any]:
    row = {}
    for entry in inputs:
        text = (record[entry["name"]] or "").strip()
        try:
            row[entry["name"]] = None if text in MISSING else _value(text, entry["dtype"])
        except (ValueError, KeyError):
            wrong.append(f"line {number}, {entry['name']}: {text[:40]!r} is no {entry['dtype']}")
    return row


def _value(text: str, dtype: str) -> Any:
    if dtype == "string":
        return text
    if dtype == "boolean":
        return BOOLEANS[text.lower()]
    return int(text) if dtype == "integer" else float(text)
