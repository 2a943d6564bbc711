"""Explanations of small models beside shap's exact explainer, and beside Shapley's formula.

Both ask the user's own fitted object for its own answers; the service has the bundle.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from palmerpenguins import load_penguins
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from tests.app.explanations.explained import (
    Ask,
    Explained,
    assert_adds_up,
    contributions,
    matrix,
    serve,
    shapley,
)

with warnings.catch_warnings():
    # What it imports warns of itself.
    warnings.simplefilter("ignore")
    import shap

ASKED = 4


def iris() -> pd.DataFrame:
    data = load_iris(as_frame=True)
    frame: pd.DataFrame = data.data.rename(columns=lambda name: name.removesuffix(" (cm)"))
    return frame.assign(species=data.target.map(lambda index: str(data.target_names[index])))


def flowers() -> pd.DataFrame:
    return iris().drop(columns="species")


def diabetes(columns: int = 10) -> pd.DataFrame:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    return frame[[*frame.columns[:columns], "target"]]


def penguins() -> pd.DataFrame:
    names = ["bill_length_mm", "flipper_length_mm", "island", "sex", "species"]
    return load_penguins()[names]


@dataclass(frozen=True)
class Case:
    """A model to fit, its sample, the method that is explained, and how it will be."""

    model: Any
    sample: Callable[[], pd.DataFrame]
    target: str | tuple[str, ...]
    ask: str
    method: str
    of: str

    def fitted(self) -> tuple[Any, pd.DataFrame, Ask]:
        """The fitted model, its sample, and what answers for it."""
        sample = self.sample()
        targets = [self.target] if isinstance(self.target, str) else list(self.target)
        features = sample.drop(columns=[name for name in targets if name])
        labels = None if not self.target else sample[targets if targets[1:] else targets[0]]
        self.model.fit(features, labels)
        return self.model, sample, getattr(self.model, self.ask)


NUMBERS = {
    "logistic regression": Case(
        make_pipeline(StandardScaler(), LogisticRegression()), iris, "species",
        "predict_proba", "exact", "probability",
    ),
    "forest": Case(
        RandomForestClassifier(20, random_state=0), iris, "species",
        "predict_proba", "exact", "probability",
    ),
    "boosted trees": Case(
        GradientBoostingRegressor(n_estimators=30), lambda: diabetes(6), "target",
        "predict", "exact", "prediction",
    ),
    "neighbours, the engine of scikit-learn": Case(
        KNeighborsRegressor(5, metric="canberra"), lambda: diabetes(3), "target",
        "predict", "exact", "prediction",
    ),
    "a linear model behind a logarithm": Case(
        make_pipeline(StandardScaler(), PoissonRegressor()), lambda: diabetes(5), "target",
        "predict", "exact", "prediction",
    ),
    "products of columns": Case(
        make_pipeline(PolynomialFeatures(2), LinearRegression()), lambda: diabetes(4), "target",
        "predict", "exact", "prediction",
    ),
    "one feature": Case(
        GradientBoostingRegressor(n_estimators=10), lambda: diabetes(1), "target",
        "predict", "exact", "prediction",
    ),
    "two numbers": Case(
        RandomForestRegressor(10, random_state=0), lambda: diabetes(5), ("target", "bmi"),
        "predict", "exact", "prediction",
    ),
    "anomalies": Case(
        IsolationForest(n_estimators=20, random_state=0), flowers, "",
        "decision_function", "exact", "score",
    ),
    "mixture": Case(
        GaussianMixture(2, random_state=0), flowers, "",
        "predict_proba", "exact", "probability",
    ),
    "ridge": Case(Ridge(), diabetes, "target", "predict", "closed-form", "prediction"),
    "ridge behind components": Case(
        make_pipeline(StandardScaler(), PCA(4), StandardScaler(), Ridge()), diabetes, "target",
        "predict", "closed-form", "prediction",
    ),
    "ridge behind splines": Case(
        make_pipeline(SplineTransformer(), Ridge()), diabetes, "target",
        "predict", "closed-form", "prediction",
    ),
    "two linear numbers": Case(
        LinearRegression(), lambda: diabetes(6), ("target", "bmi"),
        "predict", "closed-form", "prediction",
    ),
    "decisions of three classes": Case(
        make_pipeline(StandardScaler(), LinearSVC()), iris, "species",
        "decision_function", "closed-form", "decision",
    ),
    "decision of two classes": Case(
        RidgeClassifier(), lambda: iris().query("species != 'setosa'"), "species",
        "decision_function", "closed-form", "decision",
    ),
}  # fmt: skip


def served(case: Case, folder: Path) -> tuple[Explained, Ask]:
    model, sample, ask = case.fitted()
    return serve(folder, model, sample, case.target), ask


def assert_method(case: Case, explained: Explained, answer: dict[str, Any]) -> None:
    explanation = answer["explanation"]
    assert (explanation["method"], explanation["of"]) == (case.method, case.of)
    assert list(explanation["contributions"]) == list(explained.background.columns)
    assert (explanation["standard_error"] > 0) == (case.method == "sampled")
    assert_adds_up(answer)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_agree_with_shap(name: str, tmp_path: Path) -> None:
    case = NUMBERS[name]
    explained, ask = served(case, tmp_path)
    columns = explained.features.columns

    def answers(rows: Any) -> Any:
        return matrix(ask(pd.DataFrame(rows, columns=columns)))

    masker = shap.maskers.Independent(explained.background.to_numpy(float), max_samples=1000)
    explainer = shap.explainers.Exact(answers, masker)
    asked = explained.features.sample(ASKED, random_state=1)
    expected = explainer(asked.to_numpy(float))
    for at, (_, row) in enumerate(asked.iterrows()):
        answer = explained.answer(row)
        assert_method(case, explained, answer)
        right = expected.values[at].reshape(len(columns), -1)
        near = 1e-6 * max(1.0, float(np.abs(right).max()))
        np.testing.assert_allclose(contributions(answer), right, rtol=1e-6, atol=near)


def imputed(last: Any, encoder: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    prepare = make_column_transformer(
        (numbers, ["bill_length_mm", "flipper_length_mm"]), (words, ["island", "sex"])
    )
    return make_pipeline(prepare, last)


def mass() -> pd.DataFrame:
    frame = load_penguins().dropna(subset=["body_mass_g"])
    return frame[["bill_length_mm", "flipper_length_mm", "island", "sex", "body_mass_g"]]


def gaps() -> pd.DataFrame:
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    frame: pd.DataFrame = load_penguins()[[*numbers, "species"]]
    # Every seventh length, so that the background has gaps as well.
    return frame.assign(bill_length_mm=frame["bill_length_mm"].where(frame.index % 7 > 0))


MIXED = {
    "categories and gaps, a forest": Case(
        imputed(RandomForestClassifier(20, random_state=0), OneHotEncoder()), penguins, "species",
        "predict_proba", "exact", "probability",
    ),
    "categories and gaps, linear": Case(
        imputed(Ridge(), OneHotEncoder()), mass, "body_mass_g",
        "predict", "closed-form", "prediction",
    ),
    "open categories": Case(
        imputed(
            LogisticRegression(),
            make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
        ),
        penguins, "species", "predict_proba", "exact", "probability",
    ),
    "gaps that the trees take": Case(
        HistGradientBoostingClassifier(max_iter=20), gaps, "species",
        "predict_proba", "exact", "probability",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_categories_and_missing_values_agree_with_the_formula(name: str, tmp_path: Path) -> None:
    case = MIXED[name]
    explained, ask = served(case, tmp_path)
    features = explained.features
    with_gaps = features[features.isna().any(axis=1)].head(2)
    asked = pd.concat([features.sample(ASKED - 2, random_state=1), with_gaps])
    for at in range(len(asked)):
        row = asked.iloc[[at]]
        answer = explained.answer(row.iloc[0])
        assert_method(case, explained, answer)
        expected = shapley(ask, row, explained.background)
        np.testing.assert_allclose(contributions(answer), expected, rtol=1e-6, atol=1e-6)


def test_a_text_that_training_has_not_seen_is_explained(tmp_path: Path) -> None:
    case = MIXED["open categories"]
    explained, ask = served(case, tmp_path)
    row = explained.features.head(1).assign(island="Ile de la Possession")
    answer = explained.answer(row.iloc[0])
    expected = shapley(ask, row, explained.background)
    np.testing.assert_allclose(contributions(answer), expected, rtol=1e-6, atol=1e-6)


def test_drawn_orders_come_near_what_shap_finds_and_say_how_near(tmp_path: Path) -> None:
    model = RandomForestRegressor(20, random_state=0)
    case = Case(model, diabetes, "target", "predict", "sampled", "prediction")
    explained, ask = served(case, tmp_path)
    columns = explained.features.columns
    masker = shap.maskers.Independent(explained.background.to_numpy(float), max_samples=1000)
    explainer = shap.explainers.Exact(lambda rows: ask(pd.DataFrame(rows, columns=columns)), masker)
    asked = explained.features.sample(3, random_state=1)
    expected = explainer(asked.to_numpy(float)).values
    apart = []
    for at, (_, row) in enumerate(asked.iterrows()):
        answer = explained.answer(row)
        assert_method(case, explained, answer)
        difference = np.abs(contributions(answer)[:, 0] - expected[at])
        error = answer["explanation"]["standard_error"]
        # The largest of ten: beyond 5 standard errors once in a hundred thousand rows.
        assert difference.max() < 5 * error
        assert error < 0.05 * np.abs(expected[at]).max()
        apart.append(difference.max())
    assert max(apart) > 0
