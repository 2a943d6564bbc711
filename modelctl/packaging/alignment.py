"""Align a sample's columns with those that the estimator was fitted on.

A sample file may have additional columns, another column order and, as CSV, inferred types. The
fitted estimator determines all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.sklearn_engine import fitted_names
from modelctl.errors import ModelctlError
from modelctl.packaging.fitted_steps import uses_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SHOWN = 12
# pandas' name for the index of a frame that was written with to_csv().
INDEX_COLUMN = "Unnamed: 0"


def align(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The fitted columns of the sample, in their order. Raises ModelctlError.

    Columns that every step drops may be absent.
    """
    frame = frame.rename(columns=str)
    names = fitted_names(estimator, list(frame.columns))
    if names is not None:
        uses = uses_of(estimator, names)
        needed = [name for name, use in zip(names, uses, strict=True) if use.is_read] or names
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise ModelctlError(
                f"the sample lacks fitted columns: {listed(missing)}",
                expected=listed(needed),
                found=listed(frame.columns),
                fix="write the sample from the frame that was passed to fit",
            )
        # A column that every step drops may be absent; some wrappers want to see it nevertheless.
        frame = frame.reindex(columns=names)
    count = getattr(estimator, "n_features_in_", len(frame.columns))
    if names is None and count == len(frame.columns) - 1 and INDEX_COLUMN in frame.columns:
        frame = frame.drop(columns=INDEX_COLUMN)
    if names is None and count != len(frame.columns):
        raise ModelctlError(
            "the number of sample columns differs from the fitted number of features",
            expected=f"{count} columns besides the target",
            found=f"{len(frame.columns)}: {listed(frame.columns)}",
            fix="pass the target column with --target, and remove columns that are not features",
        )
    duplicates = sorted(set(frame.columns[frame.columns.duplicated()]))
    if duplicates:
        raise ModelctlError(
            f"the sample has duplicate column names: {listed(duplicates)}",
            fix="rename the columns before fit",
        )
    uses = uses_of(estimator, list(frame.columns))
    # A user's own step sees the difference between nullable numbers and others.
    values = {
        str(name): column if use.custom else _values(column)
        for (name, column), use in zip(frame.items(), uses, strict=True)
    }
    return pd.DataFrame(values, index=frame.index).reset_index(drop=True)


def text_columns(estimator: Any, names: list[str]) -> dict[str, list[str]]:
    """Columns of strings, even if pandas infers another type from CSV, and their known values.

    `names`: the columns of the file, for an estimator that has recorded none.
    """
    fitted = fitted_names(estimator) or names
    count = getattr(estimator, "n_features_in_", None)
    if count is not None and count != len(fitted):
        return {}
    uses = dict(zip(fitted, uses_of(estimator, fitted), strict=True))
    return {name: use.texts for name, use in uses.items() if use.texts or use.is_text}


def listed(names: Iterable[Any]) -> str:
    """Names for an error message: the first ones and the number of the others."""
    names = list(map(str, names))
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _values(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as scikit-learn accepts it: plain numbers and NaN instead of NA.

    Categories stay categories: boosters are fitted on them.
    """
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    if is_category or not pd.api.types.is_extension_array_dtype(column.dtype):
        return column
    missing = column.isna()
    if pd.api.types.is_bool_dtype(column.dtype):
        plain = column.astype(object).where(~missing, np.nan)
        return plain if missing.any() else column.astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        whole = pd.api.types.is_integer_dtype(column.dtype) and not missing.any()
        return column.astype("int64" if whole else "float64")
    return column
