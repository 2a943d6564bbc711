"""k-nearest neighbors: rows with neighbors that are equally far are asked before ONNX may serve."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.model.contract import Contract
from modelctl.packaging.package import Plan, plan
from modelctl.packaging.parity import encode
from modelctl.packaging.training_output import Request, read_training_output

RANDOM = np.random.default_rng(5)


def packaged(model: Any, sample: pd.DataFrame, folder: Path) -> Plan:
    joblib.dump(model, folder / "model.joblib")
    sample.to_csv(folder / "sample.csv", index=False)
    request = Request(folder, name="m", version="1.0.0")
    return plan(read_training_output(request), engine="auto", tolerance=1e-6)


def served(planned: Plan, rows: pd.DataFrame) -> list[Any]:
    """What the chosen engine answers."""
    winner = next(attempt for attempt in planned.attempts if not attempt.reason)
    assert winner.engine is not None
    contract = Contract.from_manifest(planned.manifest)
    values: list[Any] = winner.engine.predict(encode(rows.to_numpy().tolist(), contract)).values
    return values


@pytest.mark.parametrize("grid", [0.5, 0.25, 0.1])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor])
def test_rows_on_the_grid_of_the_training_are_answered_as_scikit_learn_does(
    kind: type, grid: float, *, scaled: bool, tmp_path: Path
) -> None:
    random = np.random.default_rng(int(grid * 100))
    # Rows apart from each other: noise around them meets no two at the same distance.
    features = pd.DataFrame(random.permutation(144)[:30], columns=["a"])
    features = pd.DataFrame({"a": features["a"] // 12 * grid, "b": features["a"] % 12 * grid})
    target = random.integers(0, 3, 30)
    model = make_pipeline(StandardScaler(), kind(3)) if scaled else kind(3)
    model.fit(features, target)
    planned = packaged(model, features, tmp_path)
    steps = np.arange(0, 12) * grid
    asked = pd.DataFrame(itertools.product(steps, steps), columns=["a", "b"])
    assert served(planned, asked) == pytest.approx(model.predict(asked).tolist())


def test_neighbors_that_are_never_equally_far_stay_on_onnx(tmp_path: Path) -> None:
    features = pd.DataFrame(RANDOM.normal(size=(200, 3)), columns=["a", "b", "c"])
    model = KNeighborsClassifier(5).fit(features, RANDOM.integers(0, 2, 200))
    assert packaged(model, features, tmp_path).manifest["engine"] == "onnx"


@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor])
def test_a_number_between_two_of_training_is_asked(kind: type, tmp_path: Path) -> None:
    features = pd.DataFrame({"a": np.array([1, 3, 4, 7, 9, 12, 13, 18]) / 10})
    model = kind(1).fit(features, [0, 1, 2, 3, 4, 5, 6, 7])
    planned = packaged(model, features, tmp_path)
    asked = pd.DataFrame({"a": np.arange(1, 19) / 10})
    assert served(planned, asked) == pytest.approx(model.predict(asked).tolist())
