"""What the rows that a model is trained on have to look like: `models/<model>/data.yaml`.

Compares a table with what somebody committed, and names everything that differs at once. Knows
nothing of estimators: whether a model copes with the rows is what packaging finds out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelctl.errors import ModelctlError
from modelctl.packaging.samples import read_sample
from modelctl.repository import edits, yamlfile

if TYPE_CHECKING:
    from pathlib import Path

FILE = "data.yaml"
# Of the rows that were there when the file was written.
ROWS_RATIO = 0.9
# More distinct texts than this are free text: any will do.
MAX_VALUES = 50
SHOWN_VALUES = 5

HEAD = """\
# What the rows that {model} is trained on have to look like: `modelctl validate {model}`.
# Widen by hand what may be wider; with `--update` it writes the present rows' own ranges.
"""


class Column(BaseModel):
    """One column. `missing` is the largest share of rows without a value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["number", "text", "boolean"]
    min: float | None = None
    max: float | None = None
    values: list[str] | None = None
    missing: Annotated[float, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Column:
        if self.kind != "number" and (self.min is not None or self.max is not None):
            raise ValueError("only numbers have min and max")
        if self.kind != "text" and self.values is not None:
            raise ValueError("only texts have values")
        return self


class Rows(BaseModel):
    """How many rows there have to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: Annotated[int, Field(ge=1)]


class Expectations(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Rows
    columns: Annotated[dict[str, Column], Field(min_length=1)]


def read(path: Path, model: str) -> Expectations:
    """The committed expectations. Raises ModelctlError when there are none, or for a bad file."""
    if not path.is_file():
        raise ModelctlError(
            f"nothing says what the rows of model '{model}' have to look like",
            expected=f"models/{model}/{FILE}",
            fix=f"look at the rows, then `modelctl validate {model} --update` and commit the file",
        )
    return yamlfile.validate(Expectations, path)


def read_rows(sample: Path, expected: Expectations | None = None) -> pd.DataFrame:
    """The rows of a file; a text that is expected is not taken for a number or a missing value."""
    columns = expected.columns if expected else {}
    texts = {name: column.values or [] for name, column in columns.items() if column.kind == "text"}
    return read_sample(sample, texts)


def problems(frame: pd.DataFrame, expected: Expectations) -> list[str]:
    """Everything that is not as expected, in the order of the columns."""
    found = []
    if len(frame) < expected.rows.min:
        found.append(f"{len(frame)} rows, has to be at least {expected.rows.min}")
    for name, column in expected.columns.items():
        if name not in frame.columns:
            found.append(f"column '{name}' is missing")
        else:
            found += [f"column '{name}': {text}" for text in _column(frame[name], column)]
    strays = [str(name) for name in frame.columns if name not in expected.columns]
    return found + [f"column '{name}' is not expected" for name in strays]


def _column(rows: pd.Series[Any], expected: Column) -> list[str]:
    present = rows.dropna()
    found = []
    missing = 1 - len(present) / len(rows)
    if missing > expected.missing:
        found.append(f"{missing:.1%} missing, has to be at most {expected.missing:.1%}")
    kind = _kind(present)
    if kind and kind != expected.kind:
        return [*found, f"{kind}, has to be {expected.kind}"]
    if expected.kind == "number":
        low = -math.inf if expected.min is None else expected.min
        high = math.inf if expected.max is None else expected.max
        # The infinite is outside even where there is no bound.
        outside = present[~present.between(low, high) | ~present.abs().lt(math.inf)]
        if len(outside):
            worst = outside.iloc[(outside - present.median()).abs().argmax()]
            found.append(f"{_count(outside)} outside {low:g} to {high:g}, such as {worst:g}")
    if expected.values is not None:
        unseen = present[~present.isin(expected.values)]
        if len(unseen):
            names = ", ".join(repr(value) for value in unseen.unique()[:SHOWN_VALUES])
            found.append(f"{_count(unseen)} with a value that is not expected: {names}")
    return found


def plan_update(path: Path, model: str, frame: pd.DataFrame) -> edits.Edit:
    """Plan to make these rows what is expected; comments stay. Raises ModelctlError."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    content = yamlfile.parse(before or HEAD.format(model=model), path)
    wanted = {
        "rows": {"min": math.ceil(len(frame) * ROWS_RATIO)},
        "columns": {str(name): _describe(frame[name]) for name in frame.columns},
    }
    for key, value in wanted.items():
        if content.get(key) != value:
            content[key] = value
    text = yamlfile.dump(content)
    # A mapping that is new loses the comment above it, which would be its first line.
    return edits.Edit(path, before, text if before else HEAD.format(model=model) + text)


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
    """What the values are; empty when there is none."""
    if not len(present):
        return ""
    # With missing values among them, pandas reads booleans as objects.
    if pd.api.types.is_bool_dtype(present) or set(map(type, present)) == {bool}:
        return "boolean"
    return "number" if pd.api.types.is_numeric_dtype(present) else "text"


def _count(rows: pd.Series[Any]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"
