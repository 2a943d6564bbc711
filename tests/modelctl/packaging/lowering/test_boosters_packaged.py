"""Boosters as users have them: in pipelines and wrappers, with categories, from CSV files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from palmerpenguins import load_penguins
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier, XGBRegressor

from app.model.sklearn_engine import SklearnEngine, use_one_thread
from benchmarks.families import columns, load
from modelctl.packaging import candidates
from modelctl.packaging.custom_code import find_boosters, find_custom_code
from modelctl.packaging.engines import Attempt, attempt_all
from modelctl.packaging.inference import infer
from modelctl.packaging.lowering.native_categories import native_categories
from modelctl.packaging.lowering.walk import kind
from modelctl.packaging.parity import encode

from .boosted import refused

CATEGORIES = {"island": ["Torgersen", "Biscoe", "Dream"], "sex": ["male", "female"]}
FEATURES = ["island", "bill_length_mm", "sex", "flipper_length_mm"]


def classifiers() -> dict[str, Any]:
    options: dict[str, Any] = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return {
        "xgboost": XGBClassifier(n_estimators=10, n_jobs=1),
        "lightgbm": LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1),
        "catboost": CatBoostClassifier(iterations=10, depth=4, **options),
    }


def categorical(library: str, **options: Any) -> Any:
    if library == "xgboost":
        return XGBRegressor(n_estimators=20, n_jobs=1, enable_categorical=True, **options)
    return LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1, min_data_per_group=1, **options)


def penguins() -> tuple[pd.DataFrame, Any]:
    frame = load_penguins()
    frame = frame[frame["body_mass_g"].notna()].reset_index(drop=True)
    features = frame[FEATURES].assign(
        **{
            name: pd.Categorical(frame[name], categories=categories)
            for name, categories in CATEGORIES.items()
        }
    )
    return features, frame["body_mass_g"].to_numpy()


def through_csv(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 300)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 2000)


def packaged(model: Any, features: pd.DataFrame) -> tuple[Attempt, Any]:
    subject, _ = infer(model, features, "target")
    return attempt_all(subject, wanted="auto", tolerance=1e-6)[0][0], subject


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda model: model,
    "pipeline": lambda model: make_pipeline(model),
    "searched": lambda model: GridSearchCV(model, {"learning_rate": [0.1, 0.3]}, cv=2),
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "isotonic": lambda model: CalibratedClassifierCV(model, cv=2, method="isotonic"),
    "voting": lambda model: VotingClassifier(
        [("a", model), ("b", LogisticRegression(max_iter=50))], voting="soft"
    ),
    "stacking": lambda model: StackingClassifier([("a", model)], cv=2),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("library", classifiers())
def test_a_booster_gets_the_onnx_engine_however_it_is_wrapped(library: str, wrapper: str) -> None:
    features, target = load("breast cancer")
    features = features.iloc[::2, :8]
    model = WRAPPERS[wrapper](classifiers()[library]).fit(features, target[::2])
    onnx, subject = packaged(model, features)
    assert onnx.reason == ""
    # Names as the user wrote them, with spaces.
    assert subject.contract.names == tuple(features.columns)
    if wrapper in ("alone", "pipeline", "searched"):
        assert onnx.parity is not None
        assert onnx.parity.rows["thresholds"] > 20


@pytest.mark.parametrize("library", classifiers())
def test_a_booster_behind_a_column_transformer_gets_the_onnx_engine(library: str) -> None:
    features, target = load("penguins: species")
    codes = target.astype("category").cat.codes
    model = make_pipeline(columns(), classifiers()[library]).fit(features, codes)
    assert packaged(model, features)[0].reason == ""


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_the_categories_of_a_model_are_known_in_its_order(library: str) -> None:
    features, target = penguins()
    model = categorical(library).fit(features, target)
    expected = {0: tuple(CATEGORIES["island"]), 2: tuple(CATEGORIES["sex"])}
    assert native_categories(model) == expected
    assert native_categories(make_pipeline(model)) == expected
    numbers = features[["bill_length_mm", "flipper_length_mm"]]
    assert native_categories(categorical(library).fit(numbers, target)) == {}
    assert native_categories(LogisticRegression()) == {}


def test_the_columns_of_strings_tell_which_categories_are_theirs() -> None:
    """LightGBM splits ordered categories by number and does not record where they are."""
    features, target = penguins()
    features["sex"] = features["sex"].cat.as_ordered()
    model = categorical("lightgbm").fit(features, target)
    assert native_categories(model) == {}
    assert native_categories(model, [0, 2])[2] == tuple(CATEGORIES["sex"])


def test_numbers_are_categories_too() -> None:
    features, target = penguins()
    features["year"] = pd.Categorical(load_penguins()["year"][: len(features)])
    for library in ("xgboost", "lightgbm"):
        model = categorical(library).fit(features, target)
        assert native_categories(model)[4] == (2007, 2008, 2009)


@pytest.mark.parametrize("form", ["as fitted", "csv"])
@pytest.mark.parametrize("one_hot", [1, 100], ids=["sets", "one-hot"])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_categories_get_the_onnx_engine(library: str, one_hot: int, form: str) -> None:
    features, target = penguins()
    model = categorical(library, max_cat_to_onehot=one_hot).fit(features, target)
    sample = features if form == "as fitted" else through_csv(features)
    onnx, subject = packaged(model, sample)
    assert onnx.reason == ""
    feature = subject.contract.inputs[0]
    assert feature.categories == tuple(CATEGORIES["island"])
    rows: list[list[Any]] = [["Dream", 40.0, None, 190.0], ["Biscoe", None, "female", 220.0]]
    if library == "lightgbm":
        # An unseen category counts as missing here, and is refused by XGBoost.
        rows.append(["Atlantis", 45.0, "male", 200.0])
    assert feature.unseen == ("pass" if library == "lightgbm" else "refuse")
    asked = pd.DataFrame(rows, columns=FEATURES)
    for name, categories in CATEGORIES.items():
        others = [] if library == "xgboost" or name == "sex" else ["Atlantis"]
        asked[name] = pd.Categorical(asked[name].astype(object), categories=[*categories, *others])
    expected = model.predict(asked).tolist()
    batch = encode(rows, subject.contract)
    assert onnx.engine is not None
    assert onnx.engine.predict(batch).values == pytest.approx(expected, rel=1e-12)
    fallback = SklearnEngine(model, subject.contract).predict(batch)
    assert fallback.values == pytest.approx(expected, rel=1e-12)


def catboost_on_strings(**options: Any) -> tuple[Any, pd.DataFrame]:
    features, target = penguins()
    features = features.assign(
        island=features["island"].astype("str"), sex=features["sex"].astype("str").fillna("none")
    )
    model = CatBoostRegressor(
        iterations=30, depth=4, verbose=0, allow_writing_files=False, thread_count=1,
        cat_features=["island", "sex"], **options,
    )  # fmt: skip
    return model.fit(features, target), features


def test_catboost_with_one_hot_splits_gets_the_onnx_engine() -> None:
    model, features = catboost_on_strings(one_hot_max_size=10)
    onnx, subject = packaged(model, features)
    assert onnx.reason == ""
    rows: list[list[Any]] = [["Dream", 40.0, "male", 190.0], ["Atlantis", 41.0, "female", 200.0]]
    expected = model.predict(pd.DataFrame(rows, columns=FEATURES))
    assert onnx.engine is not None
    assert onnx.engine.predict(encode(rows, subject.contract)).values == pytest.approx(expected)


def test_catboost_with_statistics_of_categories_says_what_has_none() -> None:
    model, features = catboost_on_strings()
    onnx, subject = packaged(model, features)
    assert "one_hot_max_size" in onnx.reason or "free text" in onnx.reason
    rows: list[list[Any]] = [["Dream", 40.0, "male", 190.0], ["Atlantis", 41.0, "female", 200.0]]
    expected = model.predict(pd.DataFrame(rows, columns=FEATURES))
    fallback = SklearnEngine(model, subject.contract).predict(encode(rows, subject.contract))
    assert fallback.values == pytest.approx(expected)


class Doubled(XGBRegressor):
    """A subclass of a user, which answers something else."""

    def predict(self, *args: Any, **options: Any) -> Any:
        return 2 * super().predict(*args, **options)


def test_a_subclass_is_never_taken_for_the_original() -> None:
    features, target = penguins()
    numbers = features[["bill_length_mm", "flipper_length_mm"]].to_numpy()
    model = Doubled(n_estimators=2, n_jobs=1).fit(numbers, target)
    assert kind(model) == f"{__name__}.Doubled"
    assert re.search("Doubled", refused(model, 2))
    assert candidates.split_neighbours(model, numbers) is None
    assert find_custom_code(model) == [__name__]
    assert find_boosters(model) == ["xgboost"]


@pytest.mark.parametrize("library", classifiers())
def test_a_library_is_found_wherever_it_is_and_is_no_custom_code(library: str) -> None:
    features, target = load("breast cancer")
    rows = features.to_numpy()[:, :3].copy()
    for wrap in (WRAPPERS["alone"], WRAPPERS["pipeline"], WRAPPERS["calibrated"]):
        model = wrap(classifiers()[library]).fit(rows.copy(), target)
        assert find_boosters(model) == [library]
        assert find_custom_code(model) == []
    assert find_boosters(LogisticRegression().fit(rows, target)) == []


@pytest.mark.parametrize("library", classifiers())
def test_one_thread_is_asked_for_without_changing_the_answers(library: str) -> None:
    features, target = load("breast cancer")
    rows = features.to_numpy()[:, :3].copy()
    for wrap in (WRAPPERS["alone"], WRAPPERS["pipeline"], WRAPPERS["calibrated"]):
        model = wrap(classifiers()[library]).fit(rows.copy(), target)
        before = model.predict_proba(rows.copy())
        use_one_thread(model)
        assert np.array_equal(model.predict_proba(rows.copy()), before)
