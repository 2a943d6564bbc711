"""CatBoost's models are translated with float32 borders and sums in float64."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor

from modelctl.packaging.candidates import split_neighbours
from modelctl.packaging.lowering import catboost_trees

from .boosted import Matrix, assert_same, binary, hard_rows, numbers, refused, several, with_gaps

QUIET: dict[str, Any] = {
    "verbose": 0,
    "allow_writing_files": False,
    "thread_count": 1,
    "iterations": 30,
}


def splits(model: Any) -> list[tuple[int, float]]:
    borders = model.get_borders()
    return [(int(feature), float(at)) for feature, ats in borders.items() for at in ats]


def check(model: Any, rows: Matrix, tolerance: float = 1e-14) -> None:
    assert_same(model, hard_rows(rows, splits(model), np.float32), tolerance)


def test_both_sides_of_every_border_are_tried_by_the_gate() -> None:
    rows, target = numbers()
    model = CatBoostRegressor(**QUIET).fit(rows.copy(), target)
    neighbours = split_neighbours(model, rows)
    assert neighbours is not None
    for feature, border in splits(model):
        at = np.float32(border)
        tried = neighbours[0][:, feature]
        assert float(at) in tried
        assert float(np.nextafter(at, np.float32(np.inf))) in tried


@pytest.mark.parametrize(
    "loss",
    [
        "RMSE",
        "MAE",
        "Quantile:alpha=0.7",
        "Poisson",
        "Tweedie:variance_power=1.5",
        "Huber:delta=5",
        "Expectile:alpha=0.3",
        "LogCosh",
        "Lq:q=3",
        "MAPE",
    ],
)
def test_a_regressor_answers_the_same_by_loss(loss: str) -> None:
    rows, target = numbers()
    check(CatBoostRegressor(loss_function=loss, **QUIET).fit(with_gaps(rows), target), rows)


@pytest.mark.parametrize("mode", ["Min", "Max"])
@pytest.mark.parametrize("gaps", [0.0, 0.1], ids=["complete", "gaps"])
@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
def test_missing_values_are_the_same(mode: str, gaps: float, policy: str) -> None:
    rows, target = numbers()
    model = CatBoostRegressor(nan_mode=mode, grow_policy=policy, **QUIET)
    check(model.fit(with_gaps(rows, gaps), target), rows)


@pytest.mark.parametrize("threshold", [None, 0.6])
@pytest.mark.parametrize("loss", ["Logloss", "CrossEntropy"])
def test_two_classes_are_the_same(loss: str, threshold: float | None) -> None:
    rows, target = binary()
    names = np.where(target, "benign", "malignant") if loss == "Logloss" else target
    model = CatBoostClassifier(loss_function=loss, **QUIET).fit(with_gaps(rows), names)
    model.set_probability_threshold(threshold)
    check(model, rows)


@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
@pytest.mark.parametrize("loss", ["MultiClass", "MultiClassOneVsAll"])
def test_several_classes_are_the_same(loss: str, policy: str) -> None:
    rows, target = several()
    model = CatBoostClassifier(loss_function=loss, grow_policy=policy, **QUIET)
    check(model.fit(rows.copy(), target * 10), rows)


def test_boolean_labels_stay_boolean() -> None:
    rows, target = binary()
    check(CatBoostClassifier(**QUIET).fit(rows.copy(), target.astype(bool)), rows)


def test_a_rankers_score_is_the_same() -> None:
    rows, target = numbers()
    model = CatBoostRanker(loss_function="YetiRank", **QUIET)
    check(model.fit(rows.copy(), target.astype(int) // 50, group_id=np.arange(442) // 20), rows)


def test_scale_and_bias_are_applied() -> None:
    rows, target = numbers()
    model = CatBoostRegressor(**QUIET).fit(rows.copy(), target)
    model.set_scale_and_bias(2.5, [-3.0])
    check(model, rows)


def test_the_best_iteration_is_the_last() -> None:
    rows, target = numbers()
    model = CatBoostRegressor(early_stopping_rounds=5, **(QUIET | {"iterations": 400}))
    model.fit(rows[:300].copy(), target[:300], eval_set=(rows[300:].copy(), target[300:]))
    assert model.tree_count_ < 400
    check(model, rows)


@pytest.mark.parametrize("seed", range(12))
def test_drawn_parameters_give_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    options: dict[str, Any] = {
        "iterations": int(random.integers(1, 40)),
        "depth": int(random.integers(1, 8)),
        "learning_rate": float(random.choice([0.05, 0.3, 1.0])),
        "l2_leaf_reg": float(random.choice([0.0, 3.0])),
        "border_count": int(random.choice([8, 254])),
        "nan_mode": str(random.choice(["Min", "Max"])),
        "grow_policy": str(random.choice(["SymmetricTree", "Depthwise", "Lossguide"])),
        "random_seed": seed,
    }
    rows, target = (binary, several, numbers)[seed % 3]()
    make = CatBoostRegressor if seed % 3 == 2 else CatBoostClassifier
    model = make(verbose=0, allow_writing_files=False, thread_count=1, **options)
    check(model.fit(with_gaps(rows, 0.15, seed), target), rows)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"loss_function": "RMSEWithUncertainty"}, "loss RMSEWithUncertainty"),
        ({"loss_function": "MultiRMSE"}, "loss MultiRMSE"),
    ],
)
def test_what_has_no_translation_says_why(options: dict[str, Any], reason: str) -> None:
    rows, target = numbers()
    targets = np.column_stack([target, target]) if "MultiRMSE" in str(options) else target
    model = CatBoostRegressor(**options, **QUIET).fit(rows.copy(), targets)
    assert re.search(reason, refused(model, rows.shape[1]))


def test_trees_that_would_grow_too_large_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, target = numbers()
    model = CatBoostRegressor(**QUIET).fit(rows.copy(), target)
    monkeypatch.setattr(catboost_trees, "MAX_NODES", 1000)
    assert re.search("more than 1,000 nodes", refused(model, rows.shape[1]))
