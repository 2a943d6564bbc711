"""Rows kept by the service's sampled capture (app/observability/capture.py), and later labels."""

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
    """Rows of one bundle, as columns; a feature that was excluded has none."""

    keys: list[Key] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    features: dict[str, list[Any]] = field(default_factory=dict)
    others: int = 0
    torn: int = 0

    def __len__(self) -> int:
        return len(self.keys)


def read(paths: Sequence[Path], contract: Contract, digest: str) -> Captured:
    """The rows that the bundle predicted, from files and folders of files. Raises ModelctlError.

    Rows of other bundles and lines that end too early are left out and counted: a process that
    was killed leaves such a line, a promotion leaves such rows.
    """
    found = Captured()
    rows = []
    for path in _files(paths):
        for row in _lines(path, found):
            if row.get("digest") != digest:
                found.others += 1
                continue
            rows.append(row)
            found.keys.append((str(row["request_id"]), int(row["row"])))
            found.times.append(str(row["time"]))
            found.predictions.append(row["prediction"])
    if not rows:
        raise ModelctlError(
            "no captured row is of this bundle",
            expected=f"rows with the digest {digest}",
            found=f"{found.others} rows of other bundles",
            fix="pass the --bundle that served then (modelctl verify prints a bundle's digest)",
        )
    for name in contract.names:
        if all(name in row["features"] for row in rows):
            found.features[name] = [row["features"][name] for row in rows]
    return found


def encode(contract: Contract, columns: dict[str, list[Any]]) -> dict[str, NDArray[np.float64]]:
    """Columns of JSON values as the numbers of the contract; of free text, 0 or missing.

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
        # Missing values count as such even where a request may not have them.
        present = [value for value in values if value is not None]
        numbers = validator.column(feature.name, present, lambda row: (row,), errors)
        if errors:
            raise ModelctlError(
                f"values of '{feature.name}' do not fit the bundle's contract",
                found=f"{len(errors)} of {len(values)}: {errors[0].msg}",
            )
        rest = iter(numbers)
        encoded[feature.name] = np.array([np.nan if v is None else next(rest) for v in values])
    return encoded


def read_labels(path: Path) -> dict[Key, str]:
    """What was true in the end: a CSV file with request_id, label and, for several, row.

    Raises ModelctlError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            names = set(reader.fieldnames or ())
            if not {"request_id", "label"} <= names:
                raise ModelctlError(
                    f"{path} has no labels",
                    expected="columns request_id and label; row where a request had several",
                    found=", ".join(sorted(names)),
                )
            return {
                (line["request_id"], int(line.get("row") or 0)): line["label"]
                for line in reader
                if line["label"]
            }
    except (OSError, ValueError, csv.Error) as error:
        raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(path.glob(PATTERN)) if path.is_dir() else [path])
    if not found:
        raise ModelctlError(
            f"no captured rows in {', '.join(map(str, paths))}", expected=f"files named {PATTERN}"
        )
    return found


def _lines(path: Path, found: Captured) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                    whole = row.keys() >= {"time", "request_id", "row", "features", "prediction"}
                except (ValueError, AttributeError):
                    if not line.endswith(b"\n"):
                        found.torn += 1
                        continue
                    whole = False
                if not whole:
                    raise ModelctlError(
                        f"{path}:{number} is no captured row",
                        expected="a JSON object as the service's capture writes it",
                        found=line[:100].decode(errors="replace"),
                    )
                yield row
    except OSError as error:
        raise ModelctlError(f"{path} cannot be read", found=error.strerror or "") from error
