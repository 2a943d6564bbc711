"""Infer the request contract from a fitted estimator and a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from app.model.contract import Contract, Dtype, Feature, Output
from app.model.sklearn_engine import wants_frame
from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import fitted_names, known_categories
from modelctl.packaging.lowering.columns import is_missing
from modelctl.packaging.lowering.walk import unwrapped

# More distinct strings than this are free text instead of categories.
MAX_CATEGORIES = 1000


def infer(estimator: Any, frame: pd.DataFrame, target: str) -> Contract:
    """Infer the contract of an estimator from an aligned sample. Raises ModelctlError."""
    known = known_categories(estimator, fitted_names(estimator) or list(frame.columns))
    inputs = tuple(_feature(name, frame[name], known.get(name, [])) for name in frame.columns)
    return Contract(inputs=inputs, output=_output(estimator, frame, target))


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


def _output(estimator: Any, frame: pd.DataFrame, target: str) -> Output:
    if not (_is(is_classifier, estimator) or _is(is_regressor, estimator)):
        raise ModelctlError(
            "the model is neither a classifier nor a regressor",
            expected="`predict` returns a class or a number per row",
            found=_type_name(estimator),
            fix="clusterers and outlier detectors are not supported; train a classifier on their "
            "labels",
        )
    _ensure_single_output(estimator, frame)
    if _is(is_regressor, estimator):
        return Output(kind="regressor", target=target, classes=None, probabilities=False)
    classes = np.asarray(getattr(estimator, "classes_", [])).tolist()
    if not classes or not all(isinstance(label, str | int | float) for label in classes):
        raise ModelctlError(
            "the model's classes have no JSON equivalent",
            expected="`classes_` with strings, numbers or booleans",
            found=repr(classes)[:200],
            fix="fit it on labels of one of those types",
        )
    has_probabilities = hasattr(estimator, "predict_proba")
    return Output("classifier", target, tuple(classes), has_probabilities)


def _ensure_single_output(estimator: Any, frame: pd.DataFrame) -> None:
    """Raise ModelctlError for multi-output models: the engines serve one value per row."""
    has_several = isinstance(getattr(estimator, "classes_", None), list)
    if not has_several:
        try:
            predicted = np.asarray(estimator.predict(as_fitted(estimator, frame.head(1))))
        except Exception:  # reported, with its cause, when the whole sample is predicted
            return
        has_several = predicted.ndim > 1 and predicted.shape[1] > 1
    if has_several:
        raise ModelctlError(
            "multi-output and multi-label models are not supported",
            expected="one class or number per row",
            found=f"{_type_name(estimator)} with several outputs per row",
            fix="fit and package one model per target",
        )


def _is(predicate: Any, estimator: Any) -> bool:
    try:
        return bool(predicate(estimator))
    except Exception:  # not a scikit-learn estimator at all
        return False


def _type_name(estimator: Any) -> str:
    """The class name of the last step."""
    last = unwrapped(estimator)
    while getattr(last, "steps", None):
        last = unwrapped(last.steps[-1][1])
    return type(last).__name__
