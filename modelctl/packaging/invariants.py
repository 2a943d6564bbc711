"""What must hold for any model that answers row by row, asked of the estimator itself.

One answer for each row; a row alone as in a batch; permuted rows, permuted answers; and not the
same answer for every row. A text pipeline that is given a frame breaks them: it answers for the
column's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.prediction import ModelOutputError, RowCountError
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.failures import (
    breaks_contract,
    cannot_predict,
    ensure_rows_kept,
    not_row_by_row,
)
from modelctl.packaging.oracle import RefusedRowsError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from app.model.contract import Output
    from app.model.prediction import Prediction
    from modelctl.packaging.oracle import Oracle

# Rows that are asked alone: evenly spread, with gaps, and columns whose extremes are asked.
ALONE_ROWS = 6
ALONE_GAPS = 3
ALONE_EXTREMES = 2
# Rows that are asked twice: a random answer shows itself there.
REPEATED_ROWS = 50
# Sums over another number of rows differ in the last digits.
TOLERANCE = 1e-6


def ensure_row_by_row(oracle: Oracle, frame: pd.DataFrame, output: Output) -> Prediction:
    """The prediction of the sample. Raises ModelctlError if the estimator cannot be served."""
    try:
        expected = _predict(oracle, frame, output)
    except RefusedRowsError as error:
        raise cannot_predict(error, frame) from error
    _ensure_repeated(oracle, frame, output, expected)
    # A client may send one row twice.
    ensure_rows_kept(oracle, frame.iloc[[0, 0]])
    for at in _telling_rows(frame):
        alone = _regrouped(oracle, frame, output, [at], "alone")
        _ensure_same(alone, expected, [at], "alone", output)
    middle = len(frame) // 2
    for half in (range(middle), range(middle, len(frame))):
        if half:
            part = _regrouped(oracle, frame, output, list(half), "among fewer rows")
            _ensure_same(part, expected, list(half), "among fewer rows", output)
    order = np.random.default_rng(0).permutation(len(frame))
    permuted = _predict(oracle, frame.iloc[order], output)
    _ensure_same(permuted, expected, order.tolist(), "in another order", output)
    return expected


def _regrouped(
    oracle: Oracle,
    frame: pd.DataFrame,
    output: Output,
    rows: list[int],
    circumstance: str,
    *,
    tell: bool = True,
) -> Prediction:
    """The answers of some rows of a sample that is answered as a whole. Raises ModelctlError."""
    try:
        return _predict(oracle, frame.iloc[rows], output, tell=tell)
    except RefusedRowsError as error:
        found = f"row {rows[0]} {circumstance} raises {error.cause}"
        raise _not_alone(circumstance, found) from error


def _ensure_repeated(
    oracle: Oracle, frame: pd.DataFrame, output: Output, expected: Prediction
) -> None:
    """Raise ModelctlError if the estimator answers the same rows in another way."""
    first = list(range(len(frame)))[:REPEATED_ROWS]
    again = _regrouped(oracle, frame, output, first, "among fewer rows", tell=False)
    pairs = zip(again.values, expected.values, strict=False)
    if all(_equal(one, other) for one, other in pairs):
        return
    whole = _predict(oracle, frame, output)
    if all(map(_equal, whole.values, expected.values)):
        # Not by chance: it depends on the other rows, which is asked below.
        return
    raise ModelctlError(
        "the model answers the same rows differently each time",
        expected="one answer for one row: engines are compared, and clients rely on it",
        found="random numbers in its prediction",
        fix="take out the step that draws random numbers when it predicts",
    )


def _telling_rows(frame: pd.DataFrame) -> list[int]:
    """Rows to ask alone: some of the whole sample, with missing values, and with extremes.

    A step that fills or clips by what it calculates over a request shows itself there.
    """
    step = max(1, len(frame) // ALONE_ROWS)
    rows = list(range(0, len(frame), step))[:ALONE_ROWS]
    rows += np.flatnonzero(frame.isna().any(axis=1).to_numpy())[:ALONE_GAPS].tolist()
    for name in frame.columns[frame.dtypes.map(lambda kind: kind.kind in "iuf")][:ALONE_EXTREMES]:
        values = frame[name].to_numpy()
        if not np.isnan(values).all():
            rows += [int(np.nanargmin(values)), int(np.nanargmax(values))]
    return list(dict.fromkeys(rows))


def ensure_not_constant(expected: Prediction, labels: pd.Series[Any] | None, last: str) -> None:
    """Raise RefusedError if every row of the sample gets one answer, unless its labels are one."""
    if len(expected.values) < 2 or labels is None or last.startswith("Dummy"):
        return
    if labels.dropna().nunique() < 2 or len(set(map(str, expected.values))) > 1:
        return
    probabilities = expected.probabilities
    if probabilities is not None and np.ptp(probabilities, axis=0).max(initial=0.0) > 0:
        return
    raise RefusedError(
        "the model gives the same answer for every row of the sample",
        expected=f"different answers: the sample has {labels.nunique()} different labels",
        found=f"{expected.values[0]!r} for {len(expected.values)} rows",
        fix="look at the training; if this is intended, write `constant: allow` in model.yaml",
    )


def _predict(
    oracle: Oracle, frame: pd.DataFrame, output: Output, *, tell: bool = False
) -> Prediction:
    try:
        return oracle.tell(frame, output) if tell else oracle.predict(frame, output)
    except RowCountError as error:
        raise not_row_by_row(str(error), oracle, frame) from error
    except ModelOutputError as error:
        raise breaks_contract(error) from error


def _ensure_same(
    actual: Prediction, expected: Prediction, rows: list[int], circumstance: str, output: Output
) -> None:
    """Raise ModelctlError unless `actual` are the answers of these rows of the sample."""
    wrong = _differing(actual.probabilities, expected.probabilities, rows)
    wrong += _differing(actual.scores, expected.scores, rows)
    if not wrong and actual.values:
        wrong = [
            at
            for at, value in zip(rows, actual.values, strict=True)
            if not _equal(value, expected.values[at])
        ]
        if not wrong or _are_ties(expected, wrong, output):
            return
    if not wrong:
        return
    raise _not_alone(circumstance, f"row {wrong[0]} differs")


def _not_alone(circumstance: str, found: str) -> ModelctlError:
    return ModelctlError(
        "the model's answer for a row depends on the other rows of a request",
        expected=f"the same answer for a row {circumstance}",
        found=found,
        fix="take out the step that calculates over the rows of a request (ranks, means, shifts)",
    )


def _differing(
    actual: NDArray[np.float64] | None, expected: NDArray[np.float64] | None, rows: list[int]
) -> list[int]:
    """The rows whose probabilities or scores are others."""
    if actual is None or expected is None:
        return []
    right = expected[rows]
    is_wrong = np.abs(actual - right) > TOLERANCE * np.maximum(1.0, np.abs(right))
    return [rows[at] for at in np.flatnonzero(is_wrong.reshape(len(rows), -1).any(axis=1))]


def _are_ties(expected: Prediction, rows: list[int], output: Output) -> bool:
    """Whether two labels are equally good in all of these rows: either one is right."""
    if expected.probabilities is not None:
        parts = [expected.probabilities[rows][:, columns] for columns in output.class_slices]
    elif expected.scores is not None:
        scores = expected.scores[rows].reshape(len(rows), -1)
        # One number for each label: its sign decides, so its other side is the second best.
        by_sign = len(output.targets) == scores.shape[1] or output.width is None
        parts = [np.stack([one, -one], axis=1) for one in scores.T] if by_sign else [scores]
    else:
        return False
    tops = [np.sort(part, axis=1) for part in parts if part.shape[1] > 1]
    tied = [top[:, -1] - top[:, -2] < TOLERANCE for top in tops]
    return bool(tied and np.any(tied, axis=0).all())


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= TOLERANCE * max(1.0, abs(other)) or one != one
    return bool(one == other)
