"""Align a sample's columns with those that the estimator was fitted on.

A sample file may have additional columns, another column order and, as CSV, inferred types. The
fitted estimator determines all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modelctl.errors import ModelctlError
from modelctl.packaging.lowering.walk import kind, unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
MAX_SHOWN = 12


def fitted_names(estimator: Any) -> list[str] | None:
    """The column names that the estimator was fitted on; None if it was fitted on arrays."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def used_names(estimator: Any) -> list[str] | None:
    """The fitted columns without those that the first step drops: requests need not have them."""
    names = fitted_names(estimator)
    first = _first_step(estimator)
    if names is None or kind(first) != "ColumnTransformer":
        return names
    used: set[int] = set()
    for name, inner, _ in first.transformers_:
        if not (isinstance(inner, str) and inner == "drop"):
            used.update(int(index) for index in first._transformer_to_input_indices[name])
    return [name for index, name in enumerate(names) if index in used] if used else names


def align(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of the sample that the estimator uses, in its order. Raises ModelctlError."""
    frame = frame.rename(columns=str)
    names = used_names(estimator)
    if names is not None:
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise ModelctlError(
                f"the sample lacks fitted columns: {listed(missing)}",
                expected=listed(names),
                found=listed(frame.columns),
                fix="write the sample from the frame that was passed to fit",
            )
        frame = frame[names]
    count = getattr(estimator, "n_features_in_", len(frame.columns))
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
    return frame.assign(**{str(name): _values(column) for name, column in frame.items()})


def known_categories(estimator: Any, names: list[str]) -> dict[str, list[Any]]:
    """The fitted categories of encoders that are applied directly to a feature, by feature.

    A sample may lack a rare category that the model knows and requests may use.
    """
    known: dict[str, list[Any]] = {}
    current = list(names)
    estimator = unwrapped(estimator)
    for step in [entry for _, entry in getattr(estimator, "steps", [])] or [estimator]:
        name = kind(step)
        if name == "Pipeline":
            return known | known_categories(step, current)
        if name == "ColumnTransformer":
            return known | _by_transformer(step, current)
        if name in ENCODERS:
            return known | dict(zip(current, map(list, step.categories_), strict=True))
        if getattr(step, "_preprocessor", None) is not None:
            # Hist gradient boosting has its own column transformer.
            return known | _by_transformer(step._preprocessor, current)
        if name != "SimpleImputer" or len(step.statistics_) != len(current):
            break
    return known


def text_columns(estimator: Any) -> dict[str, list[str]]:
    """Columns whose fitted categories are strings, even if pandas infers another type from CSV."""
    known = known_categories(estimator, fitted_names(estimator) or [])
    texts = {name: [v for v in values if isinstance(v, str)] for name, values in known.items()}
    return {name: values for name, values in texts.items() if values}


def listed(names: Iterable[Any]) -> str:
    """Names for an error message: the first ones and the number of the others."""
    names = list(map(str, names))
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _by_transformer(step: Any, names: list[str]) -> dict[str, list[Any]]:
    known: dict[str, list[Any]] = {}
    for name, inner, _ in step.transformers_:
        indexes = [int(index) for index in step._transformer_to_input_indices[name]]
        if not isinstance(inner, str) and max(indexes, default=-1) < len(names):
            known.update(known_categories(inner, [names[index] for index in indexes]))
    return known


def _first_step(estimator: Any) -> Any:
    estimator = unwrapped(estimator)
    while kind(estimator) == "Pipeline":
        estimator = unwrapped(estimator.steps[0][1])
    return estimator


def _values(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as scikit-learn accepts it: values instead of categories, NaN instead of NA."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    if not pd.api.types.is_extension_array_dtype(column.dtype):
        return column
    missing = column.isna()
    if pd.api.types.is_bool_dtype(column.dtype):
        plain = column.astype(object).where(~missing, np.nan)
        return plain if missing.any() else column.astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        whole = pd.api.types.is_integer_dtype(column.dtype) and not missing.any()
        return column.astype("int64" if whole else "float64")
    return column
