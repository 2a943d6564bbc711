"""Options and wrappers of estimators beyond the families of the exactness table."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, PowerTransformer, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks.families import NUMBERS, load, try_engines
from modelctl.packaging import candidates
from modelctl.packaging.engines import Attempt

MIXED = [*NUMBERS, "island", "sex"]
BOOSTING = {"max_iter": 20, "random_state": 0}
NEVER_UNKNOWN = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(20, random_state=0)


def attempts(model: Any, features: pd.DataFrame, wanted: str = "onnx") -> list[Attempt]:
    return try_engines(model, features, "target", wanted=wanted, tolerance=1e-9)


def fitted(make: Callable[[], Any], target: str, columns: list[str]) -> tuple[Any, pd.DataFrame]:
    """A model of the penguins: their species, whether they are an Adelie, or their mass."""
    features, species = load("penguins: species")
    mass = features["body_mass_g"]
    features = features[columns]
    if columns == NUMBERS:
        features = features.fillna(features.median())
    else:
        features = features.astype({"island": "category", "sex": "category"})
    answers = {"species": species, "adelie": species == "Adelie", "mass": mass.fillna(4000.0)}
    with warnings.catch_warnings(), threadpool_limits(1):
        # SVC(probability=True) is deprecated and still everywhere.
        warnings.simplefilter("ignore")
        return make().fit(features, answers[target]), features


# Their last step has split thresholds of its own.
WITH_TREES = ("categories", "search-as", "boosted")
EXACT: dict[str, tuple[Callable[[], Any], str, list[str]]] = {
    "svc-probability": (lambda: SVC(probability=True, random_state=0), "species", NUMBERS),
    "svc-probability-two": (lambda: SVC(probability=True, random_state=0), "adelie", NUMBERS),
    "isotonic": (
        lambda: CalibratedClassifierCV(forest(), method="isotonic", cv=3),
        "species",
        NUMBERS,
    ),
    "isotonic-two": (
        lambda: CalibratedClassifierCV(SVC(), method="isotonic", cv=3),
        "adelie",
        NUMBERS,
    ),
    "temperature": (
        lambda: CalibratedClassifierCV(forest(), method="temperature", cv=3),
        "species",
        NUMBERS,
    ),
    "sigmoid-over-svc": (
        lambda: CalibratedClassifierCV(SVC(), ensemble=False, cv=3),
        "species",
        NUMBERS,
    ),
    "categories": (lambda: HistGradientBoostingClassifier(**BOOSTING), "species", MIXED),
    "categories-regressor": (lambda: HistGradientBoostingRegressor(**BOOSTING), "mass", MIXED),
    "categories-by-mask": (
        lambda: make_pipeline(
            ColumnTransformer(
                [("codes", OrdinalEncoder(**NEVER_UNKNOWN), ["island", "sex"])],
                remainder="passthrough",
            ),
            HistGradientBoostingClassifier(**BOOSTING, categorical_features=[0, 1]),
        ),
        "species",
        MIXED,
    ),
    "search": (
        lambda: GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()),
            {"logisticregression__C": [0.1, 1]},
            cv=2,
        ),
        "species",
        NUMBERS,
    ),
    "search-as-last-step": (
        lambda: make_pipeline(StandardScaler(), GridSearchCV(forest(), {"max_depth": [3]}, cv=2)),
        "species",
        NUMBERS,
    ),
    "log-target": (
        lambda: TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
        "mass",
        NUMBERS,
    ),
    "scaled-target": (
        lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        "mass",
        NUMBERS,
    ),
    "box-cox-target": (
        lambda: TransformedTargetRegressor(Ridge(), transformer=PowerTransformer("box-cox")),
        "mass",
        NUMBERS,
    ),
    "threshold": (
        lambda: FixedThresholdClassifier(LogisticRegression(max_iter=500), threshold=0.2),
        "adelie",
        NUMBERS,
    ),
    "tuned-threshold": (
        lambda: TunedThresholdClassifierCV(LogisticRegression(max_iter=500), cv=3),
        "adelie",
        NUMBERS,
    ),
    "one-against-rest": (lambda: OneVsRestClassifier(LogisticRegression()), "species", NUMBERS),
    "boosted-stumps": (
        lambda: AdaBoostClassifier(n_estimators=10, random_state=0),
        "species",
        NUMBERS,
    ),
    "boosted-stumps-two": (
        lambda: AdaBoostClassifier(n_estimators=10, random_state=0),
        "adelie",
        NUMBERS,
    ),
    "frozen": (
        lambda: CalibratedClassifierCV(FrozenEstimator(fitted(forest, "species", NUMBERS)[0])),
        "species",
        NUMBERS,
    ),
    "modified-huber": (
        lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber")),
        "species",
        NUMBERS,
    ),
    "tweedie": (lambda: TweedieRegressor(power=1.5), "mass", NUMBERS),
    "partial-least-squares": (lambda: PLSRegression(2), "mass", NUMBERS),
}


@pytest.fixture(autouse=True)
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 1000)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 2000)


@pytest.mark.parametrize("name", EXACT)
def test_an_option_or_wrapper_gets_the_exact_onnx_engine(name: str) -> None:
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", category=FutureWarning)
        model, features = fitted(*EXACT[name])
        onnx = attempts(model, features)[0]
    assert onnx.parity is not None
    assert onnx.parity.label_mismatches == 0
    assert ("thresholds" in onnx.parity.rows) == (name.startswith(WITH_TREES))


@pytest.mark.parametrize(
    ("new", "target"),
    [
        (lambda: KNeighborsClassifier(p=1), "species"),
        (lambda: KNeighborsRegressor(weights="distance"), "mass"),
    ],
)
def test_weights_of_equally_far_neighbours_are_left_to_the_gate(new: Any, target: str) -> None:
    # Bill lengths to a tenth of a millimetre: some fifth and sixth neighbour are equally far.
    model, features = fitted(new, target, NUMBERS)
    first, second = attempts(model, features, "auto")
    assert (second.name, second.reason) == ("sklearn", "")
    assert "differ" in first.reason


SEVERAL = {
    "regressor": lambda: LinearRegression(),
    "forest": lambda: RandomForestRegressor(5),
    "wrapped": lambda: MultiOutputRegressor(Ridge()),
}


@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_several_targets_are_exact(make: Callable[[], Any]) -> None:
    features, _ = load("diabetes")
    model = make().fit(features[["age", "sex"]], features[["bmi", "bp"]])
    assert attempts(model, features[["age", "sex"]])[0].reason == ""


def test_several_labels_per_row_are_exact() -> None:
    features, _ = load("diabetes")
    labels = np.c_[features["bmi"] > 25, features["bp"] > 90].astype(int)
    for model in (MultiOutputClassifier(LogisticRegression()), RandomForestClassifier(5)):
        fitted_model = model.fit(features[["age"]], labels)
        assert attempts(fitted_model, features[["age"]])[0].reason == ""


def test_an_outlier_detector_is_exact() -> None:
    features, _ = load("diabetes")
    model = make_pipeline(StandardScaler(), IsolationForest(n_estimators=5)).fit(features)
    assert attempts(model, features)[0].reason == ""


def test_a_translation_that_breaks_is_a_reason_and_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from modelctl.packaging.lowering.walk import PREDICTORS

    def broken(*_: Any) -> Any:
        raise KeyError("no_such_attribute_")

    monkeypatch.setitem(PREDICTORS, "Ridge", broken)
    model, features = fitted(Ridge, "mass", NUMBERS)
    onnx, sklearn = attempts(model, features, "auto")
    assert onnx.reason == "translation failed: KeyError: 'no_such_attribute_'"
    assert sklearn.reason == ""
