"""Expectations of a model's training data: `models/<model>/data.yaml`, committed and reviewed.

Compares a table with the committed expectations and returns every violation at once. Whether the
model can predict the rows is checked by packaging, not here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from modelctl.packaging.samples import read_sample
from modelctl.quality import model_files
from modelctl.quality.model_files import StrictModel

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository import edits

FILE = "data.yaml"
# The expected share of the number of rows at the time of the update.
ROWS_RATIO = 0.9
# More distinct values than this are free text, which has no expected values.
MAX_VALUES = 50
SHOWN_VALUES = 5

HEAD = """\
# Expectations of the training data of {model}, validated by `modelctl validate {model}`.
# `--update` writes the current rows' own ranges; widen them by hand where necessary.
"""


class Column(StrictModel):
    """One column. `missing` is the maximum share of rows without a value."""

    kind: Literal["number", "text", "boolean"]
    min: float | None = None
    max: float | None = None
    values: list[str] | None = None
    missing: Annotated[float, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Column:
        if self.kind != "number" and (self.min is not None or self.max is not None):
            raise ValueError("`min` and `max` are for kind number only")
        if self.kind != "text" and self.values is not None:
            raise ValueError("`values` is for kind text only")
        return self


class Rows(StrictModel):
    """The minimum number of rows."""

    min: Annotated[int, Field(ge=1)]


class Expectations(StrictModel):
    """The content of the file."""

    rows: Rows
    columns: Annotated[dict[str, Column], Field(min_length=1)]


def read(path: Path, model: str) -> Expectations:
    """The committed expectations. Raises ModelctlError if they are missing or invalid."""
    command = f"modelctl validate {model}"
    return model_files.read(
        Expectations, path, model=model, what="data expectations", command=command
    )


def read_rows(sample: Path, expected: Expectations | None = None) -> pd.DataFrame:
    """The rows of a file; expected text values are not parsed as numbers or missing values."""
    columns = expected.columns if expected else {}
    texts = {name: column.values or [] for name, column in columns.items() if column.kind == "text"}
    return read_sample(sample, lambda _columns: texts)


def row_violations(frame: pd.DataFrame, expected: Expectations) -> list[str]:
    """Every violated expectation, in the order of the columns."""
    violations = []
    if len(frame) < expected.rows.min:
        violations.append(f"expected at least {expected.rows.min} rows, found {len(frame)}")
    for name, column in expected.columns.items():
        if name not in frame.columns:
            violations.append(f"column '{name}' is missing")
        else:
            violations += [f"column '{name}': {text}" for text in _violations(frame[name], column)]
    unexpected = [str(name) for name in frame.columns if name not in expected.columns]
    return violations + [f"unexpected column '{name}'" for name in unexpected]


def _violations(rows: pd.Series[Any], expected: Column) -> list[str]:
    present = rows.dropna()
    violations = []
    missing = 1 - len(present) / len(rows)
    if missing > expected.missing:
        violations.append(f"expected at most {expected.missing:.1%} missing, found {missing:.1%}")
    kind = _kind(present)
    if kind and kind != expected.kind:
        return [*violations, f"expected {expected.kind}, found {kind}"]
    if expected.kind == "number":
        low = -math.inf if expected.min is None else expected.min
        high = math.inf if expected.max is None else expected.max
        # Infinite numbers are outside even without a bound.
        outside = present[~present.between(low, high) | ~present.abs().lt(math.inf)]
        if len(outside):
            worst = outside.iloc[(outside - present.median()).abs().argmax()]
            violations.append(f"{_count(outside)} outside {low:g} to {high:g}, such as {worst:g}")
    if expected.values is not None:
        unseen = present[~present.isin(expected.values)]
        if len(unseen):
            names = ", ".join(repr(value) for value in unseen.unique()[:SHOWN_VALUES])
            violations.append(f"{_count(unseen)} with an unexpected value: {names}")
    return violations


def plan_update(path: Path, model: str, frame: pd.DataFrame) -> edits.Edit:
    """Plan to derive the expectations from these rows; comments stay. Raises ModelctlError."""
    values = {
        "rows": {"min": math.ceil(len(frame) * ROWS_RATIO)},
        "columns": {str(name): _describe(frame[name]) for name in frame.columns},
    }
    return model_files.plan_update(path, HEAD.format(model=model), values)


def _describe(rows: pd.Series[Any]) -> dict[str, Any]:
    present = rows.dropna()
    kind = _kind(present) or "text"
    described: dict[str, Any] = {"kind": kind}
    if kind == "number" and len(present):
        described |= {"min": float(present.min()), "max": float(present.max())}
    if kind == "text" and 0 < present.nunique() <= MAX_VALUES:
        described["values"] = sorted(str(value) for value in present.unique())
    missing = 1 - len(present) / len(rows)
    if missing:
        described["missing"] = math.ceil(missing * 100) / 100
    return described


def _kind(present: pd.Series[Any]) -> str:
    """The kind of the values; empty without values."""
    if not len(present):
        return ""
    # pandas reads booleans with missing values as objects.
    if pd.api.types.is_bool_dtype(present) or set(map(type, present)) == {bool}:
        return "boolean"
    return "number" if pd.api.types.is_numeric_dtype(present) else "text"


def _count(rows: pd.Series[Any]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"
