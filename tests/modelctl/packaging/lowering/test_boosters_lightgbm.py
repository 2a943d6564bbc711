"""LightGBM's models are translated in its own float64 arithmetic, missing types included."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor, early_stopping

from modelctl.packaging.candidates import split_neighbours

from .boosted import Matrix, assert_same, binary, hard_rows, numbers, refused, several, with_gaps

QUIET: dict[str, Any] = {"verbose": -1, "n_jobs": 1, "n_estimators": 20}


def splits(model: Any) -> list[tuple[int, float]]:
    frame = model.booster_.trees_to_dataframe()
    inner = frame[frame["decision_type"] == "<="]
    names = model.booster_.feature_name()
    places = [names.index(name) for name in inner["split_feature"]]
    return list(zip(places, inner["threshold"].astype(float).tolist(), strict=True))


def check(model: Any, rows: Matrix, tolerance: float = 1e-14) -> None:
    assert_same(model, hard_rows(rows, splits(model), np.float64), tolerance)


def test_both_sides_of_every_threshold_are_tried_by_the_gate() -> None:
    rows, target = numbers()
    model = LGBMRegressor(**QUIET).fit(rows, target)
    neighbours = split_neighbours(model, rows)
    assert neighbours is not None
    for feature, threshold in splits(model):
        tried = neighbours[0][:, feature]
        assert threshold in tried
        assert np.nextafter(threshold, np.inf) in tried


@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "poisson",
        "quantile",
        "mape",
        "gamma",
        "tweedie",
        "cross_entropy",
        "cross_entropy_lambda",
    ],
)
def test_a_regressor_answers_the_same_by_objective(objective: str) -> None:
    rows, target = numbers()
    scaled = target / 400 if "cross" in objective else target
    check(LGBMRegressor(objective=objective, **QUIET).fit(with_gaps(rows), scaled), rows)


@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
def test_every_kind_of_boosting_is_the_same(boosting: str) -> None:
    rows, target = numbers()
    options: dict[str, Any] = {"boosting_type": boosting, "subsample": 0.6, "subsample_freq": 1}
    check(LGBMRegressor(**options, **QUIET).fit(rows, target), rows)


def test_the_square_root_of_a_target_is_squared_again() -> None:
    rows, target = numbers()
    check(LGBMRegressor(reg_sqrt=True, **QUIET).fit(rows, target - 100), rows)


@pytest.mark.parametrize("objective", ["binary", "cross_entropy"])
def test_two_classes_are_the_same(objective: str) -> None:
    rows, target = binary()
    names = np.where(target, "benign", "malignant") if objective == "binary" else target
    check(LGBMClassifier(objective=objective, **QUIET).fit(with_gaps(rows), names), rows)


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_several_classes_are_the_same(objective: str) -> None:
    rows, target = several()
    check(LGBMClassifier(objective=objective, **QUIET).fit(rows, target * 10), rows)


def test_a_rankers_score_is_the_same() -> None:
    rows, target = numbers()
    model = LGBMRanker(**QUIET).fit(rows, target.astype(int) // 50, group=[100, 100, 242])
    check(model, rows)


@pytest.mark.parametrize("gaps", [0.0, 0.2], ids=["complete", "gaps"])
@pytest.mark.parametrize(
    "options",
    [{}, {"zero_as_missing": True}, {"use_missing": False}],
    ids=["nan", "zero", "none"],
)
def test_missing_types_are_the_same(options: dict[str, Any], gaps: float) -> None:
    rows, target = numbers()
    rows[np.random.default_rng(3).random(rows.shape) < 0.2] = 0.0
    model = LGBMRegressor(**options, **QUIET).fit(with_gaps(rows, gaps), target)
    check(model, rows)


def test_what_lightgbm_reads_as_zero_is_zero() -> None:
    """Its thresholds beside zero are plus and minus 1e-35, and numbers up to there are zero."""
    rows, target = numbers()
    centred = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    centred[np.random.default_rng(4).random(rows.shape) < 0.3] = 0.0
    model = LGBMRegressor(**(QUIET | {"n_estimators": 60})).fit(centred, target)
    assert {abs(threshold) < 1e-30 for _, threshold in splits(model)} == {True, False}
    check(model, centred)


def test_trees_after_the_best_iteration_do_not_count() -> None:
    rows, target = numbers()
    model = LGBMRegressor(**(QUIET | {"n_estimators": 300}))
    stop = early_stopping(5, verbose=False)
    model.fit(rows[:300], target[:300], eval_X=rows[300:], eval_y=target[300:], callbacks=[stop])
    assert model.best_iteration_ < 300
    check(model, rows)
    # The estimator forgets later trees; a booster that is told its best iteration keeps them.
    model = LGBMRegressor(**QUIET).fit(rows, target)
    everything = model.predict(rows)
    model.booster_.best_iteration = 7
    assert not np.array_equal(model.predict(rows), everything)
    check(model, rows)


def test_numbers_declared_as_categories_are_cut_to_whole_ones() -> None:
    rows, target = numbers()
    whole = np.round(rows)
    options: dict[str, Any] = {"max_cat_to_onehot": 1, "min_data_per_group": 1, "cat_smooth": 1.0}
    model = LGBMRegressor(**options, **QUIET)
    model.fit(whole, target, categorical_feature=[0, 1, 8])
    random = np.random.default_rng(5)
    more = whole.copy()
    more[:, [0, 8]] += random.choice([0.0, 0.4, -0.6, 1000.0, -1000.0], size=(len(more), 2))
    more[:, 1] = random.choice([0.0, -0.5, 1.0, 1.9, 2.0, 3.0, np.nan], size=len(more))
    check(model, np.vstack([whole, more]))


@pytest.mark.parametrize("seed", range(12))
def test_drawn_parameters_give_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    options: dict[str, Any] = {
        "n_estimators": int(random.integers(1, 40)),
        "num_leaves": int(random.integers(2, 60)),
        "max_depth": int(random.choice([-1, 2, 5])),
        "learning_rate": float(random.choice([0.05, 0.3, 1.0])),
        "min_child_samples": int(random.integers(1, 30)),
        "reg_lambda": float(random.choice([0.0, 1.0])),
        "zero_as_missing": bool(random.integers(2)),
        "extra_trees": bool(random.integers(2)),
        "max_bin": int(random.choice([15, 255])),
        "random_state": seed,
    }
    rows, target = (binary, several, numbers)[seed % 3]()
    make = LGBMRegressor if seed % 3 == 2 else LGBMClassifier
    model = make(verbose=-1, n_jobs=1, **options).fit(with_gaps(rows, 0.15, seed), target)
    check(model, rows)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"linear_tree": True}, "linear_tree"),
        ({"pred_early_stop": True, "objective": "regression"}, "pred_early_stop"),
    ],
)
def test_what_has_no_translation_says_why(options: dict[str, Any], reason: str) -> None:
    rows, target = numbers()
    model = LGBMRegressor(**options, **QUIET).fit(rows, target)
    assert re.search(reason, refused(model, rows.shape[1]))


def test_an_objective_of_the_users_own_gives_no_probabilities() -> None:
    rows, target = binary()
    model = LGBMClassifier(objective=_squares, **QUIET).fit(rows, target)
    assert re.search("of the user", refused(model, rows.shape[1]))


def _squares(target: Any, predicted: Any) -> tuple[Any, Any]:
    return predicted - target, np.ones(len(target))
