"""Each cause that keeps a model from answering its sample has a message of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelctl.errors import ModelctlError
from modelctl.packaging.package import plan
from modelctl.packaging.training_output import Request, read_training_output
from tests.modelctl.conftest import run

RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame({"a": RANDOM.uniform(1, 9, 60), "b": RANDOM.uniform(1, 9, 60)})
TARGET = NUMBERS["a"] * 2 + NUMBERS["b"]


class Step(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The base of the steps here."""

    def fit(self, features: Any, _: Any = None) -> Step:
        self.n_features_in_ = features.shape[1]
        return self


class DropOutliers(Step):
    """A row that is far away has no answer."""

    def transform(self, features: Any) -> Any:
        return features[(features["a"] < 9.2).to_numpy()]


class DropDuplicates(Step):
    def transform(self, features: Any) -> Any:
        return features.drop_duplicates()


class DropMissing(Step):
    def transform(self, features: Any) -> Any:
        return features.dropna()


class Repeat(Step):
    def transform(self, features: Any) -> Any:
        return pd.concat([features, features.tail(1)])


class Noise(Step):
    def transform(self, features: Any) -> Any:
        return features + np.random.default_rng().normal(size=features.shape)


class Raises(Step):
    def fit(self, features: Any, _: Any = None) -> Raises:
        self.columns_ = list(features.columns)
        return self

    def transform(self, features: Any) -> Any:
        return features[["a", "c"]] if hasattr(self, "is_broken_") else features[["a"]]


class Coin(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier by chance."""

    def fit(self, features: Any, y: Any) -> Coin:
        self.classes_ = np.unique(y)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, features: Any) -> Any:
        return np.random.default_rng().choice(self.classes_, size=len(features))


class Dice(RegressorMixin, Coin):  # type: ignore[misc]
    def fit(self, features: Any, _: Any) -> Dice:
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, features: Any) -> Any:
        return np.random.default_rng().random(len(features))


def refusal(model: Any, sample: pd.DataFrame, folder: Path, target: str = "") -> ModelctlError:
    joblib.dump(model, folder / "model.joblib")
    sample.to_csv(folder / "sample.csv", index=False)
    request = Request(folder, name="m", version="1.0.0", target=target)
    with pytest.raises(ModelctlError) as caught:
        plan(read_training_output(request), engine="auto", tolerance=1e-6)
    return caught.value


@pytest.mark.parametrize("last", [LinearRegression, None], ids=["predicts", "transforms"])
@pytest.mark.parametrize("step", [DropOutliers, DropDuplicates, Repeat])
def test_a_step_that_drops_or_adds_rows_is_refused_with_its_name(
    step: type, last: Any, tmp_path: Path
) -> None:
    steps: list[tuple[str, Any]] = [("changes rows", step()), ("scale", StandardScaler())]
    if last is not None:
        steps.append(("last", last()))
    fitted = Pipeline(steps)
    for _, part in steps:
        part.fit(NUMBERS, TARGET)
    error = refusal(fitted, NUMBERS, tmp_path)
    assert error.what == f"step 'changes rows' ({step.__name__}) drops or adds rows"
    assert "before fit" in error.fix


def test_a_step_that_drops_gaps_is_refused_for_a_sample_with_gaps(tmp_path: Path) -> None:
    model = make_pipeline(DropMissing(), LinearRegression()).fit(NUMBERS, TARGET)
    gaps = NUMBERS.copy()
    gaps.loc[3, "a"] = np.nan
    error = refusal(model, gaps, tmp_path)
    assert error.what == "step 'dropmissing' (DropMissing) drops or adds rows"


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(make_pipeline(Noise(), LinearRegression()), id="step"),
        pytest.param(Coin(), id="classifier"),
        pytest.param(Dice(), id="regressor"),
    ],
)
def test_a_random_model_is_called_one(model: Any, tmp_path: Path) -> None:
    labels = TARGET.gt(TARGET.median()).astype(int) if isinstance(model, Coin) else TARGET
    error = refusal(model.fit(NUMBERS, labels), NUMBERS, tmp_path)
    assert error.what == "the model answers the same rows differently each time"


def test_a_step_of_ones_own_that_raises_is_named(tmp_path: Path) -> None:
    model = make_pipeline(Raises(), LinearRegression()).fit(NUMBERS, TARGET)
    model.steps[0][1].is_broken_ = True
    error = refusal(model, NUMBERS, tmp_path)
    assert error.what == "the model cannot predict its own sample"
    assert error.fix.startswith(f"correct transform in {__name__}, which raised it, or write")


def test_texts_where_the_model_takes_numbers_are_named(tmp_path: Path) -> None:
    model = LinearRegression().fit(NUMBERS, TARGET)
    sample = NUMBERS.assign(b=[f"{value:.2f} EUR" for value in NUMBERS["b"]])
    error = refusal(model, sample, tmp_path)
    assert "the model takes numbers, and b of the sample holds texts" in error.fix


def test_categories_that_the_encoder_does_not_know_point_to_their_type(tmp_path: Path) -> None:
    codes = pd.DataFrame({"code": ["A1", "B2", "C3"] * 20})
    model = make_pipeline(OneHotEncoder(), LogisticRegression())
    model.fit(codes, np.arange(60) % 2)
    error = refusal(model, codes.replace("C3", "D4"), tmp_path)
    assert "`dtype: string`" in error.fix


def test_the_gate_before_a_build_says_what_to_run(repo: Path) -> None:
    (repo / "models/churn").mkdir(parents=True)
    (repo / "models/churn/model.yaml").write_text("name: churn\nversion: 1.0.0\n")
    with pytest.raises(ModelctlError, match="'churn' has no bundle yet") as refused:
        run("gate", "churn")
    assert refused.value.fix.startswith("modelctl build churn")
    with pytest.raises(ModelctlError, match="model 'nobody' has no folder"):
        run("gate", "nobody")
