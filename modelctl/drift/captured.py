"""Read rows captured by the service (app/observability/capture.py), and labels collected later."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.validation import Validator
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from app.errors import FieldError
    from app.model.contract import Contract

    Key = tuple[str, int]

PATTERN = "*.jsonl"


@dataclass
class Captured:
    """Captured rows of one bundle, as columns; excluded features have no column."""

    keys: list[Key] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    features: dict[str, list[Any]] = field(default_factory=dict)
    others: int = 0
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.keys)


def read(paths: Sequence[Path], contract: Contract, digest: str) -> Captured:
    """The rows that the bundle predicted, from files and folders. Raises ModelctlError.

    Rows of other bundles (after a promotion) and truncated lines (of a killed process) are skipped
    and counted.
    """
    captured = Captured()
    rows = []
    for path in _files(paths):
        for row in _lines(path, captured):
            if row.get("digest") != digest:
                captured.others += 1
                continue
            rows.append(row)
            captured.keys.append((str(row["request_id"]), int(row["row"])))
            captured.times.append(str(row["time"]))
            captured.predictions.append(row["prediction"])
    if not rows:
        raise ModelctlError(
            "no captured rows of this bundle",
            expected=f"rows with the digest {digest}",
            found=f"{captured.others} rows of other bundles",
            fix="pass the --bundle that was served (`modelctl verify` prints a bundle's digest)",
        )
    for name in contract.names:
        if all(name in row["features"] for row in rows):
            captured.features[name] = [row["features"][name] for row in rows]
    return captured


def rows(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Every captured row of files and folders, whichever bundle predicted it. Raises ModelctlError.

    Truncated lines are skipped.
    """
    for path in _files(paths):
        yield from _lines(path, Captured())


def encode(contract: Contract, columns: dict[str, list[Any]]) -> dict[str, NDArray[np.float64]]:
    """Encode columns of JSON values by the contract; free text as 0, or NaN if missing.

    Raises ModelctlError.
    """
    validator = Validator(contract)
    encoded = {}
    for feature in contract.inputs:
        if feature.name not in columns:
            continue
        values = columns[feature.name]
        if feature.is_text:
            encoded[feature.name] = np.array([np.nan if v is None else 0.0 for v in values])
            continue
        errors: list[FieldError] = []
        if feature.is_open:
            encoded[feature.name] = np.array([feature.code(value) for value in values])
            continue
        # Missing values are counted as missing even where the contract refuses them.
        present = [value for value in values if value is not None]
        numbers = validator.column(feature.name, present, lambda row: (row,), errors)
        if errors:
            raise ModelctlError(
                f"values of '{feature.name}' violate the bundle's contract",
                found=f"{len(errors)} of {len(values)}: {errors[0].msg}",
            )
        rest = iter(numbers)
        encoded[feature.name] = np.array([np.nan if v is None else next(rest) for v in values])
    return encoded


def read_labels(path: Path) -> dict[Key, str]:
    """The true labels from a CSV file with request_id, label and, for several rows, row.

    Raises ModelctlError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            names = set(reader.fieldnames or ())
            if not {"request_id", "label"} <= names:
                raise ModelctlError(
                    f"{path} has no labels",
                    expected="columns request_id and label; also row for requests of several rows",
                    found=", ".join(sorted(names)),
                )
            return {
                (line["request_id"], int(line.get("row") or 0)): line["label"]
                for line in reader
                if line["label"]
            }
    except (OSError, ValueError, csv.Error) as error:
        raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error


def _is_row(row: Any) -> bool:
    known = {"time", "request_id", "features", "prediction"}
    if not (isinstance(row, dict) and row.keys() >= known):
        return False
    number = row.get("row")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return is_number and isinstance(row["features"], dict)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(path.glob(PATTERN)) if path.is_dir() else [path])
    if not files:
        raise ModelctlError(
            f"no captured rows in {', '.join(map(str, paths))}", expected=f"files named {PATTERN}"
        )
    return files


def _lines(path: Path, captured: Captured) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                    is_row = _is_row(row)
                except ValueError:
                    if not line.endswith(b"\n"):
                        captured.truncated += 1
                        continue
                    is_row = False
                if not is_row:
                    raise ModelctlError(
                        f"{path}:{number} is not a captured row",
                        expected="a JSON object in the format of the service's capture",
                        found=line[:100].decode(errors="replace"),
                    )
                yield row
    except OSError as error:
        raise ModelctlError(f"{path} cannot be read", found=error.strerror or "") from error
