"""Ask an estimator of scikit-learn for everything that its contract promises.

Estimators return the same thing in several forms: classes of several targets as one matrix or as a
list of matrices, sparse matrices, DataFrames, NumPy scalars in object arrays. Here they become one
form, and what does not suit the contract is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import RequestError
from app.model.model_errors import told
from app.model.prediction import (
    ModelOutputError,
    Prediction,
    by_target,
    not_finite_error,
    row_count_error,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.contract import Label, Output

    Numbers = NDArray[np.float64]


def ask(estimator: Any, given: Any, rows: int, output: Output) -> Prediction:
    """The answer for `given`, which has so many rows, in the form that the estimator takes.

    Raises RequestError 422 if scikit-learn rejects the rows or a number is not finite, and
    ModelOutputError if the answer breaks the contract.
    """
    method = "transform" if output.kind == "transformer" else "predict"
    try:
        answer = getattr(estimator, method)(given)
        raw_probabilities = estimator.predict_proba(given) if output.probabilities else None
        raw_scores = getattr(estimator, output.scores)(given) if output.scores else None
    except MemoryError:
        raise
    except Exception as error:  # each library has error classes of its own
        raise RequestError(
            422, "model-refused", "The model rejected these rows", told(error, given)
        ) from error
    probabilities = scores = None
    if raw_probabilities is not None:
        probabilities = joined_probabilities(raw_probabilities, output)
        _require_shape("predict_proba", probabilities, rows, output.class_slices[-1].stop)
    if raw_scores is not None:
        scores = numbers(raw_scores)
        if output.width is None:
            scores = scores.reshape(-1)
        _require_shape(str(output.scores), scores, rows, output.width)
    values = _values(answer, method, rows, output)
    for checked in (probabilities, scores):
        if checked is not None and not np.isfinite(checked).all():
            raise not_finite_error()
    return Prediction(values, probabilities, scores)


def dense(answer: Any) -> NDArray[Any]:
    """An answer as an array: of a list, a DataFrame, a Series or a sparse matrix."""
    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)


def is_several(answer: Any) -> bool:
    """Whether an answer is a list of matrices, one for each target, instead of a list of values."""
    return isinstance(answer, list) and bool(answer) and getattr(answer[0], "ndim", 0) > 1


def numbers(answer: Any) -> Numbers:
    """An answer as float64. Raises ModelOutputError if it is not numeric."""
    try:
        return dense(answer).astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ModelOutputError("the model answered something else than numbers") from error


def joined_probabilities(answer: Any, output: Output) -> Numbers:
    """[n, classes] of a single target; of several, the classes of all of them side by side.

    scikit-learn returns a list with a matrix for each target, or, for labels of 0 and 1, one matrix
    with the probability of 1 for each target.
    """
    if not output.targets:
        return numbers(answer)
    if isinstance(answer, list | tuple):
        return np.concatenate([numbers(part) for part in answer], axis=1)
    positive = numbers(answer)
    return np.stack([1 - positive, positive], axis=2).reshape(len(positive), -1)


def plain(values: NDArray[Any]) -> list[Any]:
    """The values as Python's own types: an object array may hold NumPy scalars."""
    listed: list[Any] = values.tolist()
    if values.dtype != object:
        return listed
    return [value.item() if isinstance(value, np.generic) else value for value in listed]


def _values(answer: Any, method: str, rows: int, output: Output) -> list[Any]:
    found = dense(answer)
    if output.is_numeric:
        found = found if found.dtype.kind in "iuf" else numbers(found)
        if not np.isfinite(found).all():
            raise not_finite_error()
    if output.kind == "transformer":
        _require_shape(method, found, rows, output.width)
        vectors: list[Any] = found.astype(np.float64, copy=False).tolist()
        return vectors
    width = len(output.targets) or None
    found = found.reshape(-1) if width is None else found
    _require_shape(method, found, rows, width)
    columns = [
        plain(column) if part.classes is None else _known(plain(column), part.classes, part.name)
        for column, part in zip([found] if width is None else found.T, output.parts, strict=True)
    ]
    return columns[0] if width is None else by_target(output, columns)


def _known(labels: list[Any], classes: tuple[Label, ...], target: str) -> list[Any]:
    """The labels in the type of their class: scikit-learn answers several targets as floats.

    Raises ModelOutputError for a label that is not among the classes.
    """
    by_label = {label: label for label in classes}
    try:
        return [by_label[label] for label in labels]
    except (KeyError, TypeError) as error:
        raise ModelOutputError(f"a label of {target!r} is none of the model's classes") from error


def _require_shape(method: str, found: NDArray[Any], rows: int, width: int | None) -> None:
    if found.ndim == 0 or len(found) != rows:
        raise row_count_error(method, len(found) if found.ndim else 1, rows)
    if found.shape[1:] != (() if width is None else (width,)):
        raise ModelOutputError(
            f"{method} answered numbers of shape {found.shape[1:]} for a row: expected {width or 1}"
        )
