"""What tests of boosting libraries share: data, rows beside thresholds, and the comparison.

The expected answers are the library's own. Rows that are hard to get right are found with numpy
from what the libraries export for their users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from app.model.contract import Contract, Output
from app.model.onnx_engine import OnnxEngine
from app.model.prediction import Prediction
from app.model.validation import Batch
from modelctl.packaging.lowering import CannotLowerError
from modelctl.packaging.lowering.lower import lower_numeric

Matrix = NDArray[np.float64]
Data = tuple[Matrix, Any]


def binary() -> Data:
    data = load_breast_cancer()
    return data.data[::2, :8].copy(), data.target[::2]


def several() -> Data:
    data = load_wine()
    return data.data[:, :8].copy(), data.target


def numbers() -> Data:
    data = load_diabetes(scaled=False)
    return data.data.copy(), data.target


def with_gaps(rows: Matrix, share: float = 0.1, seed: int = 0) -> Matrix:
    """Some values missing."""
    result = rows.copy()
    result[np.random.default_rng(seed).random(rows.shape) < share] = np.nan
    return result


def hard_rows(rows: Matrix, splits: Iterable[tuple[int, float]], kind: type) -> Matrix:
    """The rows, moved copies with gaps and zeros, and copies on and beside every threshold."""
    random = np.random.default_rng(1)
    spread = np.nanstd(rows, axis=0)
    moved = rows[random.integers(len(rows), size=800)]
    moved = moved + random.normal(size=moved.shape) * spread * 0.3
    moved = with_gaps(moved, 0.05, seed=2)
    moved[random.random(moved.shape) < 0.03] = 0.0
    moved[random.random(moved.shape) < 0.01] = 1e-36
    beside = []
    for feature, threshold in sorted(set(splits)):
        at = kind(threshold)
        # CatBoost tells a missing value from a number by the largest float32 of all.
        with np.errstate(over="ignore"):
            values = [at, np.nextafter(at, kind(-np.inf)), np.nextafter(at, kind(np.inf))]
        for value in filter(np.isfinite, values):
            row = rows[random.integers(len(rows))].copy()
            row[feature] = float(value)
            beside.append(row)
    assert len(beside) > 3
    return np.vstack([rows, moved, np.array(beside)])


def asked(model: Any, rows: Matrix, classes: list[Any] | None) -> Prediction:
    """The onnx engine's answers."""
    kind: Any = "regressor" if classes is None else "classifier"
    labels = None if classes is None else tuple(classes)
    contract = Contract((), Output(kind, "y", labels, classes is not None))
    lowered = lower_numeric(model, rows.shape[1], contract.output)
    graph = lowered.SerializeToString(deterministic=True)
    return OnnxEngine(graph, contract).predict(Batch(rows))


def refused(model: Any, width: int) -> str:
    """The reason why a model has no translation."""
    kind: Any = "classifier" if hasattr(model, "classes_") else "regressor"
    labels = (0, 1) if kind == "classifier" else None
    with pytest.raises(CannotLowerError) as error:
        lower_numeric(model, width, Output(kind, "y", labels, kind == "classifier"))
    return str(error.value)


def assert_same(model: Any, rows: Matrix, tolerance: float = 1e-9) -> None:
    """Every answer is the library's own; a tolerance only for exponentials and divisions."""
    is_classifier = hasattr(model, "predict_proba")
    classes = np.asarray(model.classes_).tolist() if is_classifier else None
    got = asked(model, rows.copy(), classes)
    wanted = np.asarray(model.predict(rows.copy())).ravel()
    assert len(np.unique(wanted)) > 1
    if not is_classifier:
        values = np.array(got.values)
        assert (np.abs(values - wanted) / np.maximum(1.0, np.abs(wanted))).max() <= tolerance
        return
    assert got.values == wanted.tolist()
    assert got.probabilities is not None
    assert np.abs(got.probabilities - model.predict_proba(rows.copy())).max() <= tolerance
