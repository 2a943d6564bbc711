"""The gate: is an engine's every answer the one that scikit-learn gives?

Rows pass the same validation and the same engines as a request in the pod does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.onnx_engine import OnnxEngine
from app.model.validation import Batch, Validator
from modelctl.packaging.candidates import split_neighbours
from modelctl.packaging.lowering.lower import lower_numeric
from modelctl.packaging.lowering.walk import unwrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.contract import Contract
    from app.model.prediction import Engine, Prediction
    from app.model.sklearn_engine import SklearnEngine

# Two classes whose probabilities differ by less are a tie: either label is right.
TIE = 1e-12


@dataclass
class Parity:
    """What the comparison found; `rows` by the kind of rows."""

    tolerance: float
    is_regression: bool
    rows: dict[str, int] = field(default_factory=dict)
    label_mismatches: int = 0
    ties: int = 0
    max_abs_diff: float = 0.0
    threshold_share: float | None = None

    @property
    def refusal(self) -> str:
        """Why the engine is not equal; empty when it is."""
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
        }


def encode(rows: list[list[Any]], contract: Contract) -> Batch:
    """Validate rows as a request would be. Raises RequestError."""
    places: list[tuple[str | int, ...]] = [("sample", index) for index in range(len(rows))]
    return Validator(contract).batch(rows, places, limit=max(1, len(rows)))


def compare(parity: Parity, what: str, expected: Prediction, found: Prediction) -> None:
    """Add one comparison of two engines over the same rows to the result."""
    parity.rows[what] = len(expected.values)
    if expected.probabilities is None or found.probabilities is None:
        _compare_values(parity, expected.values, found.values)
        return
    difference = np.abs(expected.probabilities - found.probabilities)
    parity.note(difference)
    top = np.sort(expected.probabilities, axis=1)
    is_tie = top[:, -1] - top[:, -2] < TIE if top.shape[1] > 1 else np.zeros(len(top), bool)
    differs = [one != other for one, other in zip(expected.values, found.values, strict=True)]
    parity.ties += int(np.sum(is_tie))
    parity.label_mismatches += int(np.sum(np.array(differs) & ~is_tie))


def compare_splits(
    parity: Parity,
    estimator: Any,
    contract: Contract,
    engine: SklearnEngine,
    onnx: Engine,
    batch: Batch,
) -> None:
    """At the last step's own input: rows on and beside every split threshold of its trees."""
    estimator = unwrapped(estimator)
    steps = getattr(estimator, "steps", None)
    last = unwrapped(steps[-1][1]) if steps else estimator
    inputs = engine.decode(batch)
    if steps and len(steps) > 1:
        inputs = estimator[:-1].transform(inputs)
    matrix = _dense(inputs)
    if matrix is None:
        if not steps:
            _compare_whole(parity, last, contract, engine, onnx, batch)
        return
    neighbours = split_neighbours(last, matrix)
    if neighbours is None:
        return
    rows, parity.threshold_share = neighbours
    model = lower_numeric(last, rows.shape[1])
    found = OnnxEngine(model.SerializeToString(deterministic=True), contract).predict(Batch(rows))
    compare(parity, "thresholds", _reference(last, rows, contract), found)


def _compare_whole(
    parity: Parity,
    model: Any,
    contract: Contract,
    engine: SklearnEngine,
    onnx: Engine,
    batch: Batch,
) -> None:
    """The same for trees that take categories by name: their input is the request itself."""
    numbers = {at for at, entry in enumerate(contract.inputs) if entry.dtype == "float"}
    neighbours = split_neighbours(model, batch.matrix, among=numbers)
    if neighbours is not None:
        rows, parity.threshold_share = neighbours
        found = Batch(rows)
        compare(parity, "thresholds", engine.predict(found), onnx.predict(found))


def _reference(model: Any, rows: NDArray[np.float64], contract: Contract) -> Prediction:
    """scikit-learn's own answer of the last step for rows of plain numbers."""
    from app.model.prediction import Prediction

    frame: Any = rows
    if hasattr(model, "feature_names_in_"):
        import pandas as pd

        frame = pd.DataFrame(rows, columns=model.feature_names_in_)
    probabilities = model.predict_proba(frame) if contract.output.probabilities else None
    return Prediction(np.asarray(model.predict(frame)).ravel().tolist(), probabilities)


def _dense(inputs: Any) -> NDArray[np.float64] | None:
    """Transformed rows as a float64 matrix; None for what is none (strings)."""
    if hasattr(inputs, "toarray"):
        inputs = inputs.toarray()
    try:
        return np.asarray(inputs, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _compare_values(parity: Parity, expected: list[Any], found: list[Any]) -> None:
    if parity.is_regression:
        one, other = np.array(expected), np.array(found)
        relative = np.abs(one - other) / np.maximum(1.0, np.abs(one))
        parity.note(relative)
        return
    parity.label_mismatches += sum(one != other for one, other in zip(expected, found, strict=True))


def check_reference(estimator: Any, frame: Any, engine: Engine, batch: Batch) -> list[int]:
    """Rows of the sample that the contract's numbers do not reproduce: none, if all is well."""
    direct = np.asarray(estimator.predict(frame)).ravel().tolist()
    through = engine.predict(batch).values
    pairs = enumerate(zip(direct, through, strict=True))
    return [index for index, (one, other) in pairs if one != other and one == one]
