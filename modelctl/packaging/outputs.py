"""The output of a fitted estimator: a class, with probabilities or not, or a number."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from app.model.contract import Output
from modelctl.errors import ModelctlError
from modelctl.packaging.lowering.walk import unwrapped

if TYPE_CHECKING:
    import pandas as pd

    from modelctl.packaging.oracle import Oracle


def infer_output(estimator: Any, oracle: Oracle, frame: pd.DataFrame, target: str) -> Output:
    """Raises ModelctlError for a model that has no answer to serve."""
    if not (_is(is_classifier, estimator) or _is(is_regressor, estimator)):
        raise ModelctlError(
            "the model is neither a classifier nor a regressor",
            expected="`predict` returns a class or a number per row",
            found=last_step(estimator),
            fix="clusterers and outlier detectors are not supported; train a classifier on their "
            "labels",
        )
    _ensure_single_output(estimator, oracle, frame)
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


def _ensure_single_output(estimator: Any, oracle: Oracle, frame: pd.DataFrame) -> None:
    """Raise ModelctlError for multi-output models: the engines serve one value per row."""
    has_several = isinstance(getattr(estimator, "classes_", None), list)
    if not has_several:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predicted = np.asarray(estimator.predict(oracle.given(frame.head(1))))
        except Exception:  # reported, with its cause, when the whole sample is predicted
            return
        has_several = predicted.ndim > 1 and predicted.shape[1] > 1
    if has_several:
        raise ModelctlError(
            "multi-output and multi-label models are not supported",
            expected="one class or number per row",
            found=f"{last_step(estimator)} with several outputs per row",
            fix="fit and package one model per target",
        )


def _is(predicate: Any, estimator: Any) -> bool:
    try:
        return bool(predicate(estimator))
    except Exception:  # not a scikit-learn estimator at all
        return False


def last_step(estimator: Any) -> str:
    """The class name of the last step."""
    last = unwrapped(estimator)
    while getattr(last, "steps", None):
        last = unwrapped(last.steps[-1][1])
    return type(last).__name__
