"""What must hold for any model that answers row by row, asked of the estimator itself.

One answer for each row; a row alone as in a batch; permuted rows, permuted answers; and not the
same answer for every row. A text pipeline that is given a frame breaks them: it answers for the
column's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.oracle import RefusedRowsError

if TYPE_CHECKING:
    import pandas as pd

    from app.model.contract import Output
    from app.model.prediction import Prediction
    from modelctl.packaging.oracle import Oracle

# Rows that are asked alone.
ALONE_ROWS = 10
# Sums over another number of rows differ in the last digits.
TOLERANCE = 1e-6


def ensure_row_by_row(oracle: Oracle, frame: pd.DataFrame, output: Output) -> Prediction:
    """The prediction of the sample. Raises ModelctlError if the estimator cannot be served."""
    expected = _predict(oracle, frame, output)
    if len(expected.values) != len(frame):
        raise ModelctlError(
            "the model does not answer row by row",
            expected=f"{len(frame)} answers for the {len(frame)} rows of the sample",
            found=f"{len(expected.values)} answers",
            fix="write the sample as the model was fitted: for texts, one column of strings",
        )
    for at in range(min(ALONE_ROWS, len(frame))):
        alone = _predict(oracle, frame.iloc[at : at + 1], output)
        _ensure_same(alone, expected, [at], "alone")
    order = np.random.default_rng(0).permutation(len(frame))
    permuted = _predict(oracle, frame.iloc[order], output)
    _ensure_same(permuted, expected, order.tolist(), "in another order")
    return expected


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


def _predict(oracle: Oracle, frame: pd.DataFrame, output: Output) -> Prediction:
    try:
        return oracle.predict(frame, output)
    except RefusedRowsError as error:
        raise ModelctlError(
            "the model cannot predict its own sample",
            expected="a sample with the fitted columns and types",
            found=error.cause,
            fix="call fit before joblib.dump"
            if "NotFittedError" in error.cause
            else "write the sample from the frame that was passed to fit (Parquet keeps types)",
        ) from error


def _ensure_same(
    actual: Prediction, expected: Prediction, rows: list[int], circumstance: str
) -> None:
    """Raise ModelctlError unless `actual` are the answers of these rows of the sample."""
    wrong = [
        at
        for at, value in zip(rows, actual.values, strict=False)
        if not _equal(value, expected.values[at])
    ]
    if len(actual.values) == len(rows) and not (wrong and not _are_ties(expected, wrong)):
        return
    raise ModelctlError(
        "the model's answer for a row depends on the other rows of a request",
        expected=f"the same answer for a row {circumstance}",
        found=f"row {wrong[0]} differs" if wrong else f"{len(actual.values)} answers",
        fix="take out the step that calculates over the rows of a request (ranks, means, shifts)",
    )


def _are_ties(expected: Prediction, rows: list[int]) -> bool:
    """Whether two classes are equally probable in all of these rows: either label is right."""
    if expected.probabilities is None or expected.probabilities.ndim != 2:
        return False
    top = np.sort(expected.probabilities[rows], axis=1)
    return bool(top.shape[1] > 1 and (top[:, -1] - top[:, -2] < TOLERANCE).all())


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= TOLERANCE * max(1.0, abs(other)) or one != one
    return bool(one == other)
