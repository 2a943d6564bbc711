"""Rows beside every split threshold are among those that the parity gate compares.

What they have to be is computed here with numpy, from the trees that scikit-learn documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from modelctl.packaging import candidates
from modelctl.packaging.candidates import split_neighbours


def iris_frame() -> tuple[pd.DataFrame, Any]:
    # Values that float32 does not have, so that rounding on the way would be seen.
    data = load_iris(as_frame=True)
    return data.data / 3, data.target


TREES: dict[str, tuple[Callable[[], Any], type]] = {
    "tree": (lambda: DecisionTreeClassifier(random_state=0), np.float32),
    "tree-regressor": (lambda: DecisionTreeRegressor(random_state=0), np.float32),
    "forest": (lambda: RandomForestClassifier(5, random_state=0), np.float32),
    "boosting": (lambda: GradientBoostingClassifier(n_estimators=5, random_state=0), np.float32),
    "boosting-regressor": (
        lambda: GradientBoostingRegressor(n_estimators=5, random_state=0),
        np.float32,
    ),
    "histogram": (lambda: HistGradientBoostingClassifier(max_iter=3), np.float64),
    "histogram-regressor": (lambda: HistGradientBoostingRegressor(max_iter=3), np.float64),
}


def fitted(name: str) -> Any:
    features, target = iris_frame()
    with threadpool_limits(1):
        return TREES[name][0]().fit(features, target)


def splits(model: Any) -> list[tuple[int, float]]:
    """Every (feature, threshold) as scikit-learn's documentation has them."""
    if hasattr(model, "_predictors"):
        tables = [entry.nodes for stage in model._predictors for entry in stage]
        return [
            (int(node["feature_idx"]), float(node["num_threshold"]))
            for nodes in tables
            for node in nodes
            if not node["is_leaf"]
        ]
    members = np.ravel(model.estimators_) if hasattr(model, "estimators_") else [model]
    return [
        (int(feature), float(threshold))
        for member in members
        for feature, threshold, left in zip(
            member.tree_.feature,
            member.tree_.threshold,
            member.tree_.children_left,
            strict=True,
        )
        if left != -1
    ]


def beside(threshold: float, kind: type) -> tuple[float, float]:
    """The largest number of that type that goes left, and the smallest that does not."""
    nearest = kind(threshold)
    if float(nearest) <= threshold:
        return float(nearest), float(np.nextafter(nearest, kind(np.inf)))
    return float(np.nextafter(nearest, kind(-np.inf))), float(nearest)


@pytest.mark.parametrize("name", TREES)
def test_both_sides_of_every_threshold_are_tried(name: str) -> None:
    features, _ = iris_frame()
    model = fitted(name)
    neighbours = split_neighbours(model, features.to_numpy())
    assert neighbours is not None
    rows, share = neighbours
    assert share == 1.0
    thresholds = splits(model)
    assert len(thresholds) > 5
    for feature, threshold in thresholds:
        tried = rows[:, feature]
        last_left, first_right = beside(threshold, TREES[name][1])
        assert last_left in tried, (feature, threshold)
        assert first_right in tried, (feature, threshold)
        # A threshold that rounds upwards has its lower neighbour two steps below.
        kind = TREES[name][1]
        assert float(np.nextafter(kind(threshold), kind(-np.inf))) in tried
        assert float(np.nextafter(kind(threshold), kind(np.inf))) in tried


@pytest.mark.parametrize("name", TREES)
def test_all_but_one_value_of_a_neighbour_is_a_real_row(name: str) -> None:
    features, _ = iris_frame()
    neighbours = split_neighbours(fitted(name), features.to_numpy())
    assert neighbours is not None
    real = features.to_numpy()
    for row in neighbours[0][::7]:
        assert (np.sum(real == row, axis=1) >= real.shape[1] - 1).any()


def test_of_too_many_neighbours_a_share_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = iris_frame()
    model = fitted("forest")
    everything = split_neighbours(model, features.to_numpy())
    assert everything is not None
    count = len(everything[0])
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", count)
    exactly = split_neighbours(model, features.to_numpy())
    assert exactly is not None
    assert (len(exactly[0]), exactly[1]) == (count, 1.0)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", count // 3)
    drawn = split_neighbours(model, features.to_numpy())
    assert drawn is not None
    assert len(drawn[0]) == count // 3
    assert drawn[1] == pytest.approx(1 / 3, abs=0.01)


def test_only_features_that_are_numbers_get_neighbours() -> None:
    features, _ = iris_frame()
    model = fitted("forest")
    rows = features.to_numpy()
    among = split_neighbours(model, rows, among={2})
    assert among is not None
    assert len(among[0]) == 3 * sum(feature == 2 for feature, _ in splits(model))
    assert among[1] == 1.0
