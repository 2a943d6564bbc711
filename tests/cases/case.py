"""One case: a fitted estimator, the file beside it, and rows with which it is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Fitted:
    """A pipeline as its user has it.

    `sample`: the rows of the sample file, with the target. `asked`: rows to predict, as the
    estimator was fitted (frame, series, list, array); their answers are the right ones. `refused`:
    rows that the estimator itself refuses, in the same form; a client's error for each. `missing`:
    what the client's null stands for is what `asked` holds there. `parquet`: write the sample so.
    """

    estimator: Any
    sample: pd.DataFrame
    asked: Any
    target: str = ""
    refused: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    engine: str = ""
    parquet: bool = False


@dataclass(frozen=True)
class Case:
    """A kind of pipeline; `fit` trains it."""

    name: str
    fit: Callable[[], Fitted]

    def __str__(self) -> str:
        return self.name


def json_rows(asked: Any) -> list[Any]:
    """The rows as a client sends them: by name for frames, by position for anything else."""
    if isinstance(asked, pd.DataFrame):
        names = list(map(str, asked.columns))
        records = zip(*(asked[name].astype(object).tolist() for name in asked.columns), strict=True)
        return [{n: _plain(v) for n, v in zip(names, row, strict=True)} for row in records]
    if isinstance(asked, pd.Series | list):
        return [[_plain(text)] for text in asked]
    return [[_plain(value) for value in row] for row in asked.tolist()]


def one_row(asked: Any, at: int) -> Any:
    """One row in the same form."""
    if isinstance(asked, pd.DataFrame | pd.Series):
        return asked.iloc[at : at + 1]
    return asked[at : at + 1]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
