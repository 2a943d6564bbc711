"""The parity gate: an engine's predictions have to equal scikit-learn's.

Rows pass the same validation and engines as requests in the pod.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.decoding import CATEGORY
from app.model.gaps import joined, taken
from app.model.onnx_engine import OnnxEngine
from app.model.validation import Batch, Validator
from modelctl.packaging.candidates import frame_of, split_neighbours
from modelctl.packaging.column_types import json_rows
from modelctl.packaging.lowering.lower import lower_numeric
from modelctl.packaging.lowering.walk import unwrapped
from modelctl.packaging.oracle import Oracle
from modelctl.packaging.ties import tie_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.contract import Contract, Form, Output
    from app.model.prediction import Engine, Prediction

# Classes whose probabilities differ by less are a tie: either label is correct.
TIE = 1e-12
# Rows that an engine is asked at once: bounds the memory of models that compare with all training.
PART_ROWS = 1_000


@dataclass
class Parity:
    """The result of the comparison; `rows` counts rows by kind."""

    tolerance: float
    is_regression: bool
    # Of each of several targets its columns among the probabilities.
    class_slices: tuple[slice, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    label_mismatches: int = 0
    ties: int = 0
    max_abs_diff: float = 0.0
    threshold_share: float | None = None
    # Perturbed rows that scikit-learn refuses: how many were tried here, how many got an answer.
    refused: int = 0
    answered: int = 0
    left_out: int = 0

    @classmethod
    def of(cls, output: Output, tolerance: float) -> Parity:
        """Nothing compared yet, of a model with this output."""
        return cls(tolerance, output.is_numeric, output.class_slices)

    @property
    def refusal(self) -> str:
        """Why the engine is refused; empty if it is accepted."""
        if self.answered:
            return f"answers {self.answered} of {self.refused} rows that scikit-learn refuses"
        if self.label_mismatches:
            return f"{self.label_mismatches} labels differ from scikit-learn's"
        if not self.max_abs_diff <= self.tolerance:
            return f"differs from scikit-learn by {self.max_abs_diff:.1e} (> {self.tolerance:.0e})"
        return ""

    def note(self, differences: NDArray[np.float64]) -> None:
        """Keep the largest difference; one that is no number stays, and refuses."""
        # Not Python's `max`, in which the order decides whether NaN wins.
        self.max_abs_diff = float(np.maximum(self.max_abs_diff, differences.max(initial=0.0)))

    def as_manifest(self) -> dict[str, Any]:
        """The `parity` entry of the manifest."""
        return {
            "rows": self.rows,
            "label_mismatches": self.label_mismatches,
            "ties": self.ties,
            "max_abs_diff": float(f"{self.max_abs_diff:.1e}"),
            "tolerance": self.tolerance,
            "threshold_share": self.threshold_share,
            "refused": self.refused,
            "left_out": self.left_out,
        }


class NotComparableError(ValueError):
    """The answers of two engines have different forms."""


def encode(rows: list[list[Any]], contract: Contract) -> Batch:
    """Validate and encode rows as in a request. Raises RequestError."""
    locations: list[tuple[str | int, ...]] = [("sample", index) for index in range(len(rows))]
    return Validator(contract).batch(rows, locations, limit=max(1, len(rows)))


def compare(parity: Parity, what: str, expected: Prediction, actual: Prediction) -> None:
    """Add the comparison of two engines on the same rows to the result.

    Every part is compared: the label of each target or each number, every probability, every score.
    """
    parity.rows[what] = len(expected.values)
    _require_same_form(expected.values, actual.values)
    one, other = _parts(expected.values), _parts(actual.values)
    if parity.is_regression:
        right, found = np.array(one, np.float64), np.array(other, np.float64)
        _require_same_shape(right, found)
        parity.note(_relative(right, found))
    else:
        columns = zip(one, other, strict=True)
        differs = np.array([_differing(*column) for column in columns], dtype=bool).T
        is_tie = _ties(parity, expected, actual, differs.shape[1])
        parity.ties += int(np.sum(is_tie))
        parity.label_mismatches += int(np.sum(differs & ~is_tie))
    if expected.probabilities is not None and actual.probabilities is not None:
        _require_same_shape(expected.probabilities, actual.probabilities)
        parity.note(np.abs(expected.probabilities - actual.probabilities))
    if expected.scores is not None and actual.scores is not None:
        _require_same_shape(expected.scores, actual.scores)
        parity.note(_relative(expected.scores, actual.scores))


def _parts(values: list[Any]) -> list[list[Any]]:
    """The labels or numbers of predicted values, by target or place in a vector."""
    first = values[0] if values else None
    if isinstance(first, dict):
        return [[value[name] for value in values] for name in first]
    if isinstance(first, list):
        return [list(column) for column in zip(*values, strict=True)]
    return [values]


def _differing(one: list[Any], other: list[Any]) -> list[bool]:
    return [a != b for a, b in zip(one, other, strict=True)]


def _relative(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.abs(expected - actual)
    return difference / np.maximum(1.0, np.abs(expected))


def _require_same_form(one: list[Any], other: list[Any]) -> None:
    """Raise NotComparableError for a list of one number instead of the number."""
    for expected, found in zip(one, other, strict=True):
        for form in (list, dict):
            if isinstance(expected, form) != isinstance(found, form):
                kinds = type(found).__name__, type(expected).__name__
                raise NotComparableError(f"an answer is a {kinds[0]} instead of a {kinds[1]}")


def _require_same_shape(one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Raise NotComparableError: numpy would stretch one number over a whole row."""
    if one.shape != other.shape:
        raise NotComparableError(f"compared shapes differ: {one.shape} and {other.shape}")


def _ties(
    parity: Parity, expected: Prediction, actual: Prediction, count: int
) -> NDArray[np.bool_]:
    """[n, targets]: where scikit-learn's own numbers leave the label open."""
    tied = np.zeros((len(expected.values), count), dtype=bool)
    if expected.probabilities is not None and actual.probabilities is not None:
        slices = parity.class_slices or (slice(None),)
        for target, columns in enumerate(slices):
            tied[:, target] = _best_two_tie(expected.probabilities[:, columns])
    elif expected.scores is not None and actual.scores is not None:
        scores = expected.scores.reshape(len(tied), -1)
        if scores.shape[1] == count:
            # One number for each label: its sign decides.
            tied = np.abs(scores) < TIE
        else:
            tied[:, 0] = _best_two_tie(scores)
    return tied


def _best_two_tie(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    if scores.shape[1] < 2:
        return np.zeros(len(scores), dtype=bool)
    top = np.sort(scores, axis=1)
    is_tie: NDArray[np.bool_] = top[:, -1] - top[:, -2] < TIE * np.maximum(1, np.abs(top[:, -1]))
    return is_tie


def compare_splits(
    parity: Parity, oracle: Oracle, contract: Contract, onnx: Engine, frame: pd.DataFrame
) -> None:
    """Compare at the last step's input: rows on and next to every split threshold of its trees."""
    estimator = unwrapped(oracle.estimator)
    steps = getattr(estimator, "steps", None)
    last = unwrapped(steps[-1][1]) if steps else estimator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = oracle.given(frame)
        if steps and len(steps) > 1:
            inputs = estimator[:-1].transform(inputs)
        matrix = _dense(inputs)
    takes_categories = any(feature.storage == CATEGORY for feature in contract.inputs)
    if matrix is None or (not steps and takes_categories):
        if not steps:
            _compare_whole(parity, last, oracle, contract, onnx, frame)
        return
    neighbours = split_neighbours(last, matrix)
    if neighbours is not None:
        rows, parity.threshold_share = neighbours
        _compare_last(parity, "thresholds", last, rows, contract)
    ties = tie_rows(last)
    if ties is not None:
        _compare_last(parity, "ties", last, ties, contract)


def _compare_last(
    parity: Parity, what: str, last: Any, rows: NDArray[np.float64], contract: Contract
) -> None:
    """Compare on rows of numbers as the last step takes them."""
    model = lower_numeric(last, rows.shape[1], contract.output)
    engine = OnnxEngine(model.SerializeToString(deterministic=True), contract)
    compare(parity, what, _reference(last, rows, contract), in_parts(engine, Batch(rows)))


def in_parts(engine: Engine, batch: Batch) -> Prediction:
    """The prediction of many rows, a part at a time: no request has as many.

    Nearest neighbors hold a number for each row and each training row.
    """
    at = np.arange(len(batch))
    groups = [at[start : start + PART_ROWS] for start in range(0, max(1, len(batch)), PART_ROWS)]
    return joined([engine.predict(taken(batch, rows)) for rows in groups], groups)


def _compare_whole(
    parity: Parity,
    model: Any,
    oracle: Oracle,
    contract: Contract,
    onnx: Engine,
    frame: pd.DataFrame,
) -> None:
    """The same for trees with categorical features: their input is the request itself."""
    numbers = {at for at, entry in enumerate(contract.inputs) if entry.dtype == "float"}
    sample = encode(json_rows(frame, contract), contract)
    neighbours = split_neighbours(model, sample.matrix, among=numbers)
    if neighbours is not None:
        rows, parity.threshold_share = neighbours
        expected = oracle.predict(frame_of(rows, contract, frame), contract.output)
        compare(parity, "thresholds", expected, onnx.predict(Batch(rows)))


def _reference(model: Any, rows: NDArray[np.float64], contract: Contract) -> Prediction:
    """scikit-learn's prediction of the last step for numeric rows."""
    form: Form = "array"
    frame = pd.DataFrame(rows)
    if hasattr(model, "feature_names_in_"):
        form, frame = "frame", pd.DataFrame(rows, columns=model.feature_names_in_)
    return Oracle(model, form).predict(frame, contract.output)


def _dense(inputs: Any) -> NDArray[np.float64] | None:
    """Transformed rows as a float64 matrix; None if they are not numeric."""
    if hasattr(inputs, "toarray"):
        inputs = inputs.toarray()
    try:
        return np.asarray(inputs, dtype=np.float64)
    except (TypeError, ValueError):
        return None
