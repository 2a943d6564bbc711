"""What an estimator answered, read for the reference.

The sklearn engine reads the same answers with code of its own (`app/model/sklearn_outputs`). Here
everything goes through a data frame, so that neither repeats a mistake of the other: packaging
compares both on the sample and on perturbed rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from app.model.prediction import ModelOutputError, Prediction, RowCountError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.contract import Label, Output

    Numbers = NDArray[np.float64]


class NotFiniteError(ValueError):
    """A number of the answer is NaN or infinite: there is no JSON for it."""


def read(estimator: Any, given: Any, rows: int, output: Output) -> Prediction:
    """The answer for `given`, which has so many rows, as the contract promises it.

    Raises whatever the estimator raises, NotFiniteError, and ModelOutputError if the answer is not
    what the contract says.
    """
    method = "transform" if output.kind == "transformer" else "predict"
    values = _values(table(getattr(estimator, method)(given), rows), output)
    return Prediction(
        values,
        probabilities_of(estimator, given, rows, output) if output.probabilities else None,
        scores_of(estimator, given, rows, output) if output.scores else None,
    )


def probabilities_of(estimator: Any, given: Any, rows: int, output: Output) -> Numbers:
    """[n, classes]: the classes of each target after those of the one before."""
    answer = estimator.predict_proba(given)
    if not output.targets:
        found = _finite(table(answer, rows))
    elif isinstance(answer, list | tuple):
        found = np.hstack([_finite(table(part, rows)) for part in answer])
    else:
        # Labels that are present or not: one column for each, the probability of 1.
        present = _finite(table(answer, rows))
        found = np.column_stack([side for one in present.T for side in (1 - one, one)])
    width = sum(len(part.classes or ()) for part in output.parts)
    _require_width("predict_proba", found.shape[1], width)
    return found


def scores_of(estimator: Any, given: Any, rows: int, output: Output) -> Numbers:
    """[n], or [n, width] where the contract has a width."""
    name = str(output.scores)
    found = _finite(table(getattr(estimator, name)(given), rows))
    _require_width(name, found.shape[1], output.width or 1)
    return found[:, 0] if output.width is None else found


def table(answer: Any, rows: int) -> pd.DataFrame:
    """One row of the frame for each of the answer. Raises ModelOutputError."""
    try:
        frame = pd.DataFrame(answer.toarray() if issparse(answer) else answer)
    except (TypeError, ValueError) as error:
        raise ModelOutputError(f"the model answered {type(answer).__name__}: {error}") from error
    if len(frame) != rows:
        raise RowCountError(f"the model answered {len(frame)} rows for {rows}")
    return frame


def array(answer: Any) -> NDArray[Any]:
    """An answer of unknown form as an array."""
    return np.asarray(answer.toarray() if issparse(answer) else answer)


def first_matrix(answer: Any) -> Any:
    """The matrix of the first target, where each target has one; else the answer itself."""
    is_several = isinstance(answer, list | tuple) and len(answer) and np.ndim(answer[0]) > 1
    return answer[0] if is_several else answer


def plain(value: Any) -> Any:
    """A value in Python's own type."""
    return value.item() if isinstance(value, np.generic) else value


def _values(frame: pd.DataFrame, output: Output) -> list[Any]:
    if output.kind == "transformer":
        _require_width("transform", len(frame.columns), output.width or 1)
        vectors: list[Any] = _finite(frame).tolist()
        return vectors
    _require_width("predict", len(frame.columns), len(output.parts))
    columns = [
        _numbers(column) if part.classes is None else _labels(column, part.classes, part.name)
        for (_, column), part in zip(frame.items(), output.parts, strict=True)
    ]
    if not output.targets:
        return columns[0]
    names = [target.name for target in output.targets]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _numbers(column: pd.Series[Any]) -> list[Any]:
    numbers = _finite(column.to_frame())[:, 0]
    is_whole = column.dtype.kind in "iu"
    return list(column.tolist()) if is_whole else list(numbers.tolist())


def _labels(column: pd.Series[Any], classes: tuple[Label, ...], target: str) -> list[Any]:
    """The classes that equal the labels: several targets are answered as floats."""
    wrong = [label for label in column.unique().tolist() if plain(label) not in classes]
    if wrong:
        raise ModelOutputError(f"label {wrong[0]!r} of {target!r} is none of the model's classes")
    which = {label: classes[classes.index(plain(label))] for label in column.unique().tolist()}
    return [which[label] for label in column.tolist()]


def _finite(frame: pd.DataFrame) -> Numbers:
    try:
        numbers: Numbers = frame.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelOutputError(f"the model answered no numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise NotFiniteError("the prediction is NaN or Infinity")
    return numbers


def _require_width(method: str, found: int, expected: int) -> None:
    if found != expected:
        raise ModelOutputError(f"{method} answered {found} values for a row: expected {expected}")
