"""Infer the request contract from a fitted estimator and a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.contract import Contract, Dtype, Feature
from app.model.sklearn_engine import wants_frame
from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import fitted_names, known_categories
from modelctl.packaging.lowering.columns import is_missing
from modelctl.packaging.outputs import infer_output

if TYPE_CHECKING:
    from collections.abc import Sequence

# More distinct strings than this are free text instead of categories.
MAX_CATEGORIES = 1000


def infer(estimator: Any, frame: pd.DataFrame, target: str | Sequence[str]) -> Contract:
    """Infer the contract of an estimator from an aligned sample. Raises ModelctlError."""
    known = known_categories(estimator, fitted_names(estimator) or list(frame.columns))
    inputs = tuple(_feature(name, frame[name], known.get(name, [])) for name in frame.columns)
    given = as_fitted(estimator, frame)
    return Contract(inputs=inputs, output=infer_output(estimator, given, target))


def as_fitted(estimator: Any, frame: pd.DataFrame) -> Any:
    """The rows in the form that the estimator was fitted on: a frame, or a plain array."""
    return frame if wants_frame(estimator) else frame.to_numpy()


def _feature(name: str, column: pd.Series[Any], known: list[Any]) -> Feature:
    present = column.dropna()
    dtype = _dtype(name, column)
    categories = None
    low = high = None
    if dtype == "string":
        values = {*present.tolist(), *(value for value in known if isinstance(value, str))}
        categories = tuple(sorted(values)) if len(values) <= MAX_CATEGORIES else None
    elif dtype != "boolean" and len(present):
        low, high = float(present.min()), float(present.max())
    missing = len(present) < len(column) or any(is_missing(value) for value in known)
    return Feature(
        name=str(name),
        dtype=dtype,
        min=low,
        max=high,
        categories=categories,
        missing="allow" if missing else "refuse",
    )


def _dtype(name: str, column: pd.Series[Any]) -> Dtype:
    present = column.dropna()
    if pd.api.types.is_bool_dtype(column) or (len(present) and set(map(type, present)) == {bool}):
        return "boolean"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    if pd.api.types.is_float_dtype(column):
        if len(present) and not np.isfinite(present.to_numpy(dtype=np.float64)).all():
            raise ModelctlError(
                f"column {name!r} of the sample contains infinite numbers",
                expected="finite numbers or missing values",
                fix="replace them before the pipeline; JSON has no infinity",
            )
        return "float"
    if all(isinstance(value, str) for value in present):
        return "string"
    mixed = sorted({type(value).__name__ for value in present})
    is_mixed = column.dtype == object and len(mixed) > 1
    raise ModelctlError(
        f"column {name!r} of the sample has a type without a JSON equivalent",
        expected="numbers, booleans or strings, of one type per column",
        found=f"{column.dtype} with mixed types {', '.join(mixed)}"
        if is_mixed
        else str(column.dtype),
        fix="convert the column to one type before fit"
        if is_mixed
        else "convert dates and durations to numbers before the pipeline, or drop the column",
    )
