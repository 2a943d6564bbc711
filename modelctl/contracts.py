"""A fitted estimator and a sample of its data -> the contract that requests will be held to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from app.contract import Contract, Dtype, Feature, Output
from modelctl.errors import ModelctlError
from modelctl.lowering.columns import is_missing
from modelctl.lowering.walk import kind

# More distinct strings than this are free text, not categories.
MAX_CATEGORIES = 1000


def align(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of the sample that the estimator knows, in its order. Raises ModelctlError."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise ModelctlError(
                "the sample lacks columns the model was fitted on",
                expected=", ".join(map(str, names)),
                found=", ".join(map(str, frame.columns)),
                fix="write the sample from the frame that was passed to fit",
            )
        return frame[list(names)]
    count = getattr(estimator, "n_features_in_", len(frame.columns))
    if count != len(frame.columns):
        raise ModelctlError(
            "the sample has another number of columns than the model was fitted on",
            expected=f"{count} columns beside the target",
            found=f"{len(frame.columns)}: {', '.join(map(str, frame.columns))}",
            fix="pass the target's column with --target, and remove what is no feature",
        )
    return frame


def infer(estimator: Any, frame: pd.DataFrame, target: str) -> Contract:
    """The contract of an estimator over an aligned sample. Raises ModelctlError."""
    known = known_categories(estimator, list(frame.columns))
    inputs = tuple(_feature(name, frame[name], known.get(name, [])) for name in frame.columns)
    return Contract(inputs=inputs, output=_output(estimator, target))


def known_categories(estimator: Any, names: list[str]) -> dict[str, list[Any]]:
    """Feature -> the categories that encoders directly on it were fitted with.

    A sample may lack a rare category that the model knows; requests may still use it.
    """
    found: dict[str, list[Any]] = {}
    current = list(names)
    for step in [entry for _, entry in getattr(estimator, "steps", [])] or [estimator]:
        if kind(step) == "ColumnTransformer":
            for name, inner, _ in step.transformers_:
                at = [int(index) for index in step._transformer_to_input_indices[name]]
                if not isinstance(inner, str):
                    found.update(known_categories(inner, [current[index] for index in at]))
            break
        if kind(step) in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
            found.update(zip(current, map(list, step.categories_), strict=True))
            break
        if kind(step) != "SimpleImputer":
            break
    return found


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
        if len(present) and not np.isfinite(present).all():
            raise ModelctlError(f"column {name!r} of the sample holds an infinite number")
        return "float"
    if all(isinstance(value, str) for value in present):
        return "string"
    raise ModelctlError(
        f"column {name!r} of the sample has a type that JSON rows cannot carry",
        expected="numbers, booleans or strings",
        found=str(column.dtype),
        fix="turn dates and durations into numbers before the pipeline",
    )


def _output(estimator: Any, target: str) -> Output:
    if is_classifier(estimator):
        classes = np.asarray(estimator.classes_)
        if classes.ndim != 1:
            raise ModelctlError("a model with several targets cannot be packaged", expected="one")
        return Output(
            kind="classifier",
            target=target,
            classes=tuple(classes.tolist()),
            probabilities=hasattr(estimator, "predict_proba"),
        )
    if is_regressor(estimator):
        return Output(kind="regressor", target=target, classes=None, probabilities=False)
    raise ModelctlError(
        "the model is neither a classifier nor a regressor",
        found=type(estimator).__name__,
        fix="put it into a pipeline that ends with one",
    )
