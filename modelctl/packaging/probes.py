"""Ask the estimator what it accepts: one value of one row changed at a time.

What fitted steps propose (`fitted_steps`) is asked here of the estimator itself. Each probe is a
copy of one row of the sample that it answers, with one unusual value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modelctl.packaging.column_types import is_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.packaging.oracle import Oracle

# Cells in one call: bounds the memory for models with thousands of columns.
MAX_CELLS = 1_000_000
# Texts that no training data has.
UNSEEN_TEXTS = ("~ unseen ~", "zzzzz 0")


@dataclass(frozen=True)
class Probe:
    """One feature with one other value."""

    name: str
    value: Any


def with_values(column: pd.Series[Any], values: Sequence[Any]) -> pd.Series[Any]:
    """A column of these values in the type of another one, as far as that can hold them."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        known = set(dtype.categories.tolist())
        extra = [v for v in dict.fromkeys(values) if v not in known and not is_absent(v)]
        categories = pd.Index([*dtype.categories.tolist(), *extra])
        return pd.Series(pd.Categorical(values, categories=categories))
    if pd.api.types.is_object_dtype(dtype):
        # Texts that are objects have None for a missing one; CSV and Parquet give other types.
        present = column.dropna()
        absent = None if len(present) and all(isinstance(v, str) for v in present) else np.nan
        return pd.Series([absent if is_absent(value) else value for value in values], dtype=object)
    if dtype == np.dtype(bool) and any(map(is_absent, values)):
        # As a request is decoded; pandas would take a missing value for False.
        return pd.Series([np.nan if is_absent(v) else v for v in values], dtype=object)
    try:
        return pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        return pd.Series([np.nan if is_absent(value) else value for value in values])


def changed(row: pd.DataFrame, probes: Sequence[Probe]) -> pd.DataFrame:
    """The row once for each probe, with the probe's value."""
    frame = row.iloc[np.zeros(len(probes), dtype=int)].reset_index(drop=True)
    by_name: dict[str, dict[int, Any]] = {}
    for at, probe in enumerate(probes):
        by_name.setdefault(probe.name, {})[at] = probe.value
    columns = {}
    for name, values in by_name.items():
        base = frame[name].iloc[0]
        new = with_values(row[name], [values.get(at, base) for at in range(len(probes))])
        columns[name] = new.set_axis(frame.index)
    return frame.assign(**columns)


def ask(oracle: Oracle, row: pd.DataFrame, probes: Sequence[Probe]) -> list[bool]:
    """For each probe whether the estimator answers it."""
    step = max(1, MAX_CELLS // max(1, len(row.columns)))
    answers: list[bool] = []
    for start in range(0, len(probes), step):
        answers += _ask(oracle, row, probes[start : start + step])
    return answers


def _ask(oracle: Oracle, row: pd.DataFrame, probes: Sequence[Probe]) -> list[bool]:
    """All at once where the whole is answered, else by halves.

    Each half is a frame of its own: a value of another type changes the type of its column for the
    other probes too, so that a refusal counts only where a probe is alone.
    """
    if not probes:
        return []
    if oracle.accepts(changed(row, probes)):
        return [True] * len(probes)
    if len(probes) == 1:
        return [False]
    middle = len(probes) // 2
    return [*_ask(oracle, row, probes[:middle]), *_ask(oracle, row, probes[middle:])]


def typical_row(oracle: Oracle, frame: pd.DataFrame) -> pd.DataFrame:
    """A row of the sample that is answered, without missing values if there is one."""
    complete = frame.dropna()
    for candidates in (complete.head(3), frame.head(10)):
        for at in range(len(candidates)):
            row = candidates.iloc[at : at + 1]
            if oracle.accepts(row):
                return row
    return frame.head(1)
