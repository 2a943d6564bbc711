"""Each cause that keeps a model from answering its sample has a message of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

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


class Standardized(Step):
    """The deviation of a single row is NaN."""

    def transform(self, features: Any) -> Any:
        return features.sub(features.mean()).div(features.std())


class Dummies(Step):
    """A single row has one of the columns."""

    def transform(self, features: Any) -> Any:
        return pd.get_dummies(features.assign(a=features["a"].round().astype(str)))


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


def to_records(frame: pd.DataFrame) -> Any:
    return frame.to_dict("records")


@pytest.mark.parametrize("first", [DictVectorizer(), FeatureHasher(16)], ids=["dicts", "hashes"])
def test_a_step_that_reads_dicts_names_the_step_before_it_that_helps(
    first: Any, tmp_path: Path
) -> None:
    rows = NUMBERS.assign(city=["Oslo", "Rome", "Lima"] * 20)
    model = make_pipeline(first, LinearRegression()).fit(to_records(rows), TARGET)
    error = refusal(model, rows, tmp_path)
    name = type(first).__name__
    assert error.what == f"the model starts with {name}, which reads dicts instead of columns"
    helped = make_pipeline(FunctionTransformer(to_records), first, LinearRegression())
    helped.fit(rows, TARGET)
    joblib.dump(helped, tmp_path / "model.joblib")
    request = Request(tmp_path, name="m", version="1.0.0")
    planned = plan(read_training_output(request), engine="auto", tolerance=1e-6)
    sample = json.loads(planned.files["sample.json"])
    asked = pd.DataFrame(sample["rows"], columns=rows.columns)
    assert sample["predictions"] == pytest.approx(helped.predict(asked).tolist())


def test_a_step_of_ones_own_that_raises_is_named(tmp_path: Path) -> None:
    model = make_pipeline(Raises(), LinearRegression()).fit(NUMBERS, TARGET)
    model.steps[0][1].is_broken_ = True
    error = refusal(model, NUMBERS, tmp_path)
    assert error.what == "the model cannot predict its own sample"
    assert error.fix.startswith(f"correct transform in {__name__}, which raised it, or write")


@pytest.mark.parametrize("step", [Standardized, Dummies])
def test_a_step_that_needs_the_other_rows_is_not_blamed_on_the_sample(
    step: type, tmp_path: Path
) -> None:
    model = make_pipeline(step(), LinearRegression()).fit(NUMBERS, TARGET)
    error = refusal(model, NUMBERS, tmp_path)
    assert error.what == "the model's answer for a row depends on the other rows of a request"
    assert error.found.startswith("row 0 ")
    assert " raises ValueError: " in error.found
    assert "take out the step that calculates over the rows" in error.fix


@pytest.mark.parametrize("is_calibrated", [False, True], ids=["alone", "nested"])
def test_categories_that_xgboost_damages_are_refused(is_calibrated: bool, tmp_path: Path) -> None:
    cities = pd.Categorical(["Köln", "Zürich", "東京"] * 20)
    model: Any = XGBClassifier(n_estimators=2, enable_categorical=True)
    model = CalibratedClassifierCV(model, cv=2) if is_calibrated else model
    frame = NUMBERS.assign(city=cities)
    error = refusal(model.fit(frame, np.arange(60) % 2), frame, tmp_path)
    assert error.what == "XGBClassifier has damaged names of categories"
    assert "OrdinalEncoder" in error.fix


def test_a_search_that_kept_no_model_says_so(tmp_path: Path) -> None:
    search = GridSearchCV(LinearRegression(), {"positive": [True, False]}, refit=False)
    error = refusal(search.fit(NUMBERS, TARGET), NUMBERS, tmp_path)
    assert error.what == "GridSearchCV cannot answer new rows"
    assert error.fix.startswith("fit GridSearchCV with refit=True")


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
    for command in ("gate", "validate", "build"):
        with pytest.raises(ModelctlError, match="model 'chrn' has no folder") as refused:
            run(command, "chrn")
        assert "did you mean churn?" in refused.value.expected


def test_ordered_categories_of_lightgbm_have_a_way_out(tmp_path: Path) -> None:
    is_big = pd.Categorical(NUMBERS["a"] > 5, ordered=True)
    frame = NUMBERS.assign(is_big=is_big)
    model = LGBMRegressor(n_estimators=2, verbose=-1).fit(frame, TARGET)
    joblib.dump(model, tmp_path / "model.joblib")
    frame.assign(y=TARGET).to_parquet(tmp_path / "sample.parquet")
    with pytest.raises(ModelctlError, match="cannot predict its own sample") as refused:
        plan(
            read_training_output(Request(tmp_path, name="x", version="1", target="y")),
            engine="auto",
            tolerance=1e-6,
        )
    assert "not ordered (it takes ordered ones for numbers: fit it on their codes)" in str(
        refused.value.fix
    )
