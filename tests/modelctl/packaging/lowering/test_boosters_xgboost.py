"""XGBoost's models are translated in its own float32 arithmetic."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from modelctl.packaging.candidates import split_neighbours

from .boosted import (
    Matrix,
    asked,
    assert_same,
    binary,
    hard_rows,
    numbers,
    refused,
    several,
    with_gaps,
)

# One rounding of a float32, for exponentials.
ONE_ROUNDING = 1.3e-7


def splits(model: Any) -> list[tuple[int, float]]:
    frame = model.get_booster().trees_to_dataframe()
    inner = frame[frame["Feature"] != "Leaf"]
    names = model.get_booster().feature_names
    places = [int(name[1:]) if names is None else names.index(name) for name in inner["Feature"]]
    return list(zip(places, inner["Split"].astype(float).tolist(), strict=True))


def check(model: Any, rows: Matrix, tolerance: float = 0.0) -> None:
    assert_same(model, hard_rows(rows, splits(model), np.float32), tolerance)


def test_both_sides_of_every_threshold_are_tried_by_the_gate() -> None:
    rows, target = numbers()
    model = XGBRegressor(n_jobs=1, n_estimators=5, max_depth=3).fit(rows, target)
    neighbours = split_neighbours(model, rows)
    assert neighbours is not None
    for feature, threshold in splits(model):
        at = np.float32(threshold)
        tried = neighbours[0][:, feature]
        assert float(at) in tried
        assert float(np.nextafter(at, np.float32(-np.inf))) in tried


@pytest.mark.parametrize(
    ("objective", "tolerance"),
    [
        ("reg:squarederror", 0.0),
        ("reg:absoluteerror", 0.0),
        ("reg:pseudohubererror", 0.0),
        ("reg:squaredlogerror", 0.0),
        ("count:poisson", ONE_ROUNDING),
        ("reg:gamma", ONE_ROUNDING),
        ("reg:tweedie", ONE_ROUNDING),
    ],
)
def test_a_regressor_answers_the_same_by_objective(objective: str, tolerance: float) -> None:
    rows, target = numbers()
    gaps = with_gaps(rows)
    # Pseudo-Huber has hardly a gradient far from the target, so the target is scaled.
    model = XGBRegressor(objective=objective, n_jobs=1, n_estimators=30).fit(gaps, target / 100)
    check(model, rows, tolerance)


@pytest.mark.parametrize("alpha", [0.1, 0.9])
def test_a_quantile_is_the_same(alpha: float) -> None:
    rows, target = numbers()
    model = XGBRegressor(
        objective="reg:quantileerror", quantile_alpha=alpha, n_jobs=1, n_estimators=20
    )
    check(model.fit(rows, target), rows)


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:hinge", "reg:logistic"])
def test_two_classes_are_the_same(objective: str) -> None:
    rows, target = binary()
    model = XGBClassifier(objective=objective, n_jobs=1, n_estimators=30).fit(
        with_gaps(rows), target
    )
    check(model, rows, ONE_ROUNDING)


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_several_classes_are_the_same(objective: str) -> None:
    rows, target = several()
    model = XGBClassifier(objective=objective, n_jobs=1, n_estimators=20).fit(
        with_gaps(rows), target
    )
    check(model, rows, ONE_ROUNDING)


def test_a_rankers_score_is_the_same() -> None:
    rows, target = numbers()
    model = XGBRanker(n_jobs=1, n_estimators=20).fit(
        rows, target.astype(int) // 50, qid=np.arange(442) // 20
    )
    check(model, rows)


def test_random_forests_are_the_same() -> None:
    rows, target = numbers()
    check(XGBRFRegressor(n_jobs=1, n_estimators=20).fit(rows, target), rows)
    rows, target = several()
    check(XGBRFClassifier(n_jobs=1, n_estimators=20).fit(rows, target), rows, ONE_ROUNDING)


def test_trees_after_the_best_iteration_do_not_count() -> None:
    rows, target = numbers()
    model = XGBRegressor(n_jobs=1, n_estimators=200, early_stopping_rounds=5, num_parallel_tree=2)
    model.fit(rows[:300], target[:300], eval_set=[(rows[300:], target[300:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    check(model, rows)


def test_the_weights_of_dropped_trees_are_kept() -> None:
    rows, target = numbers()
    model = XGBRegressor(booster="dart", rate_drop=0.3, n_jobs=1, n_estimators=25).fit(rows, target)
    check(model, rows)


@pytest.mark.parametrize("missing", [0.0, 1e-36, 1.0])
def test_a_number_that_means_missing_is_missing(missing: float) -> None:
    rows, target = numbers()
    # Sex is 1 or 2 here.
    check(XGBRegressor(missing=missing, n_jobs=1, n_estimators=15).fit(rows, target), rows)


def test_very_large_numbers_are_infinite_for_both() -> None:
    rows, target = numbers()
    model = XGBRegressor(n_jobs=1, n_estimators=10).fit(rows, target)
    rows[0], rows[1] = 1e39, -1e39
    assert asked(model, rows, None).values == model.predict(rows).tolist()


@pytest.mark.parametrize("seed", range(12))
def test_drawn_parameters_give_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    options: dict[str, Any] = {
        "n_estimators": int(random.integers(1, 40)),
        "max_depth": int(random.integers(1, 9)),
        "learning_rate": float(random.choice([0.05, 0.3, 1.0])),
        "subsample": float(random.uniform(0.5, 1.0)),
        "colsample_bytree": float(random.uniform(0.5, 1.0)),
        "reg_lambda": float(random.choice([0.0, 1.0, 10.0])),
        "tree_method": str(random.choice(["hist", "exact", "approx"])),
        "num_parallel_tree": int(random.integers(1, 3)),
        "base_score": None if seed % 2 else 0.3,
        "random_state": seed,
        "n_jobs": 1,
    }
    rows, target = (binary, several, numbers)[seed % 3]()
    make = XGBRegressor if seed % 3 == 2 else XGBClassifier
    model = make(**options).fit(with_gaps(rows, 0.15, seed), target)
    check(model, rows, ONE_ROUNDING)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"booster": "gblinear"}, "booster='gblinear'"),
        ({"multi_strategy": "multi_output_tree"}, "several outputs|vectors in the leaves"),
        ({}, "several outputs"),
    ],
    ids=["linear", "vector-leaves", "several-targets"],
)
def test_what_has_no_translation_says_why(options: dict[str, Any], reason: str) -> None:
    rows, target = numbers()
    targets = target if "booster" in options else np.column_stack([target, target])
    model = XGBRegressor(n_jobs=1, n_estimators=2, **options).fit(rows, targets)
    assert re.search(reason, refused(model, rows.shape[1]))
