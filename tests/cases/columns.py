"""Pipelines on frames and arrays with categories, codes, missing values, times, transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from palmerpenguins import load_penguins
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

from tests.cases.case import Case, Fitted

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
INPUTS = [*NUMBERS, "island", "sex"]


def penguins(*, complete: bool = True) -> pd.DataFrame:
    frame = load_penguins()[[*INPUTS, "species"]]
    return frame.dropna().reset_index(drop=True) if complete else frame


def diabetes() -> pd.DataFrame:
    """Raw, with a 0/1 column and the target."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    return frame.assign(sex=(frame["sex"] == 2).astype(int))


def _category(encoder: Any, *, unseen: bool) -> Fitted:
    """Island by an encoder; an island that training has not seen is asked or refused."""
    frame = penguins()
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", encoder, ["island"])])
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[[*NUMBERS, "island"]], frame["species"])
    asked = frame[[*NUMBERS, "island"]].head(12)
    other = asked.head(2).assign(island="Atlantis")
    if unseen:
        asked = pd.concat([asked, other])
    sample = frame[[*NUMBERS, "island", "species"]]
    refused = None if unseen else other
    return Fitted(model, sample, asked, "species", refused, engine="onnx")


def _code(encoder: Any, *, answers: list[Any], refuses: list[Any]) -> Fitted:
    """A 0/1 column by an encoder of numbers."""
    frame = diabetes()
    columns = ColumnTransformer(
        [("code", encoder, ["sex"]), ("rest", StandardScaler(), ["bmi", "bp", "age"])]
    )
    inputs = ["sex", "bmi", "bp", "age"]
    model = make_pipeline(columns, Ridge()).fit(frame[inputs], frame["target"])
    asked = frame[inputs].head(6)
    extra = pd.concat([asked.head(1).assign(sex=value) for value in answers]) if answers else None
    asked = asked if extra is None else pd.concat([asked, extra])
    refused = pd.concat([asked.head(1).assign(sex=value) for value in refuses]) if refuses else None
    return Fitted(model, frame[[*inputs, "target"]], asked, "target", refused, engine="onnx")


def _imputed(imputer: Any) -> Fitted:
    """The sample has no missing values; the imputer allows them."""
    frame = penguins()
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(imputer, StandardScaler()), NUMBERS),
            ("c", make_pipeline(SimpleImputer(strategy="most_frequent"),
                                OneHotEncoder(handle_unknown="ignore")), ["island", "sex"]),
        ]
    )  # fmt: skip
    model = make_pipeline(columns, RandomForestClassifier(20, random_state=0))
    model.fit(frame[INPUTS], frame["species"])
    asked = frame[INPUTS].head(8).copy()
    asked.loc[0, "bill_depth_mm"] = np.nan
    asked.loc[1, "sex"] = None
    asked.loc[2, NUMBERS] = np.nan
    return Fitted(model, frame, asked, "species")


def _not_imputed() -> Fitted:
    frame = penguins()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(frame[NUMBERS], frame["species"])
    asked = frame[NUMBERS].head(5)
    refused = asked.head(1).assign(body_mass_g=np.nan)
    return Fitted(model, frame[[*NUMBERS, "species"]], asked, "species", refused, engine="onnx")


def _whole_numbers() -> Fitted:
    """A column of whole numbers in the sample; a fraction is a number like any other."""
    frame = diabetes()
    inputs = ["age", "bmi"]
    frame["age"] = frame["age"].astype(int)
    model = make_pipeline(StandardScaler(), Ridge()).fit(frame[inputs], frame["target"])
    asked = pd.DataFrame({"age": [40, 40.5, 61], "bmi": [22.1, 30, 25]})
    return Fitted(model, frame[[*inputs, "target"]], asked, "target", engine="onnx")


def _transformed(
    step: Any, last: Any, refuses: list[float], *, divided: bool = False, engine: str = "onnx"
) -> Fitted:
    """A step with a domain: what is outside of it is refused, and never stops packaging."""
    frame = diabetes()
    if divided:
        # A scaler multiplies these numbers beyond what a tree takes.
        frame["bmi"] /= 1000
    inputs = ["bmi", "bp"]
    model = make_pipeline(step, last).fit(frame[inputs], frame["target"])
    asked = frame[inputs].head(6)
    refused = pd.concat([asked.head(1).assign(bmi=value) for value in refuses]) if refuses else None
    return Fitted(model, frame[[*inputs, "target"]], asked, "target", refused, engine=engine)


def _near_zero(last: Any, refuses: list[float]) -> Fitted:
    """A logarithm of values close to zero: noise makes some of them negative."""
    frame = diabetes()[["bmi", "target"]]
    frame["bmi"] = (frame["bmi"] - frame["bmi"].min() + 0.01) / 10
    model = make_pipeline(FunctionTransformer(np.log), last)
    model.fit(frame[["bmi"]], frame["target"])
    refused = pd.DataFrame({"bmi": refuses})
    return Fitted(model, frame, frame[["bmi"]].head(6), "target", refused)


def _dropped() -> Fitted:
    """Columns that the ColumnTransformer drops: a record as the model was fitted on."""
    frame = penguins().assign(id=range(333), note="free text")
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS)])
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    inputs = ["id", *NUMBERS, "note"]
    model.fit(frame[inputs], frame["species"])
    return Fitted(model, frame[[*inputs, "species"]], frame[inputs].head(5), "species")


def month(frame: pd.DataFrame) -> pd.DataFrame:
    """Month and day of the week of each column of times."""
    return pd.DataFrame(
        {f"{name}_{what}": getattr(column.dt, what) for name, column in frame.items()
         for what in ("month", "dayofweek")}
    )  # fmt: skip


def _dates(*, parquet: bool, zone: str | None) -> Fitted:
    frame = diabetes()[["bmi", "target"]]
    frame["seen"] = pd.date_range("2024-01-01 10:00", periods=len(frame), freq="17h", tz=zone)
    frame["target"] += 10 * frame["seen"].dt.month
    columns = ColumnTransformer(
        [("t", FunctionTransformer(month), ["seen"]), ("n", StandardScaler(), ["bmi"])]
    )
    inputs = ["bmi", "seen"]
    model = make_pipeline(columns, RandomForestRegressor(20, random_state=0))
    model.fit(frame[inputs], frame["target"])
    return Fitted(
        model, frame[[*inputs, "target"]], frame[inputs].head(8), "target",
        engine="sklearn", parquet=parquet,
    )  # fmt: skip


def _date_texts() -> Fitted:
    """Dates as strings through an encoder: texts like any other."""
    frame = diabetes()[["bmi", "target"]]
    frame["day"] = [f"2024-01-{at % 28 + 1:02d}" for at in range(len(frame))]
    columns = ColumnTransformer(
        [("d", OneHotEncoder(handle_unknown="ignore"), ["day"]), ("n", "passthrough", ["bmi"])]
    )
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "day"]], frame["target"])
    asked = pd.concat([frame[["bmi", "day"]].head(4),
                       pd.DataFrame({"bmi": [25.0], "day": ["2031-12-24"]})])  # fmt: skip
    return Fitted(model, frame[["bmi", "day", "target"]], asked, "target", engine="onnx")


def _array_of_strings() -> Fitted:
    """Fitted on `.values` of a mixed frame."""
    frame = penguins()
    inputs = ["island", "sex", "body_mass_g"]
    columns = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("n", StandardScaler(), [2])]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[inputs].to_numpy(), frame["species"])
    asked = frame[inputs].head(6).to_numpy()
    asked[5, 0] = "Atlantis"
    return Fitted(model, frame[[*inputs, "species"]], asked, "species")


def _array_of_codes() -> Fitted:
    """An encoder first, on a plain array of numbers."""
    random = np.random.default_rng(0)
    rows = random.integers(0, 3, size=(200, 2))
    target = rows @ [1.5, -2.0] + 0.1
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(rows, target)
    sample = pd.DataFrame(rows, columns=["a", "b"]).assign(y=target)
    refused = np.array([[3, 0], [0, -1]])
    return Fitted(model, sample, rows[:6], "y", refused, engine="onnx")


def _indexed() -> Fitted:
    """A frame with a named index, written with it."""
    frame = penguins()[[*NUMBERS, "species"]]
    model = RandomForestClassifier(20, random_state=0).fit(
        frame[NUMBERS].to_numpy(), frame["species"]
    )
    sample = frame.reset_index(names="Unnamed: 0")
    return Fitted(model, sample, frame[NUMBERS].head(5).to_numpy(), "species", engine="onnx")


def _many_texts() -> Fitted:
    """Hundreds of distinct texts that an encoder ignores where it does not know them."""
    frame = diabetes()[["bmi", "target"]]
    frame["street"] = [f"street {at}" for at in range(len(frame))]
    columns = ColumnTransformer(
        [("s", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2), ["street"]),
         ("n", "passthrough", ["bmi"])]
    )  # fmt: skip
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "street"]], frame["target"])
    asked = pd.DataFrame({"bmi": [25.0, 30.0], "street": ["street 3", "street nobody knows"]})
    return Fitted(model, frame[["bmi", "street", "target"]], asked, "target", engine="onnx")


def _native_categories() -> Fitted:
    """Hist gradient boosting on a pandas category column, missing and unseen values."""
    frame = penguins(complete=False)[[*NUMBERS, "island", "species"]]
    frame["island"] = frame["island"].astype("category")
    inputs = [*NUMBERS, "island"]
    model = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype")
    model.fit(frame[inputs], frame["species"])
    asked = frame[inputs].head(8)
    return Fitted(model, frame, asked, "species", engine="onnx", parquet=True)


def _booleans() -> Fitted:
    frame = penguins()[[*NUMBERS, "species"]]
    frame["heavy"] = frame["body_mass_g"] > 4000
    columns = ColumnTransformer(
        [("b", OneHotEncoder(), ["heavy"]), ("n", StandardScaler(), NUMBERS)]
    )
    inputs = [*NUMBERS, "heavy"]
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[inputs], frame["species"])
    return Fitted(model, frame[[*inputs, "species"]], frame[inputs].head(6), "species",
                  engine="onnx")  # fmt: skip


def _booleans_encoded(encoder: Any, *, answers: bool) -> Fitted:
    frame = penguins()
    frame["is_heavy"] = frame["body_mass_g"] > 4000
    features = frame[["is_heavy", "flipper_length_mm"]]
    columns = ColumnTransformer([("c", encoder, ["is_heavy"])], remainder="passthrough")
    model = make_pipeline(columns, Ridge()).fit(features, frame["body_mass_g"])
    asked = features.head(6)
    gap = features.head(2).astype({"is_heavy": object}).assign(is_heavy=[None, None])
    if answers:
        asked = pd.concat([asked.astype({"is_heavy": object}), gap])
    sample = features.assign(body_mass_g=frame["body_mass_g"])
    return Fitted(model, sample, asked, "body_mass_g", refused=None if answers else gap)


def _zip_codes() -> Fitted:
    """Codes with leading zeros, which CSV readers take for numbers."""
    frame = diabetes()[["bmi", "target"]]
    frame["zip"] = [f"{at % 7:05d}" for at in range(len(frame))]
    columns = ColumnTransformer([("z", OneHotEncoder(), ["zip"]), ("n", "passthrough", ["bmi"])])
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "zip"]], frame["target"])
    asked = frame[["bmi", "zip"]].head(5)
    refused = asked.head(1).assign(zip="00099")
    return Fitted(model, frame[["bmi", "zip", "target"]], asked, "target", refused, engine="onnx")


def _precision(last: Any, *, engine: str = "") -> Fitted:
    """A frame of float32: scikit-learn scales it in float32."""
    frame = penguins()[[*NUMBERS, "species"]]
    frame[NUMBERS] = frame[NUMBERS].astype("float32")
    model = make_pipeline(StandardScaler(), last).fit(frame[NUMBERS], frame["species"])
    return Fitted(model, frame, frame[NUMBERS].head(40), "species", engine=engine, parquet=True)


def _none_as_category() -> Fitted:
    """Missing texts as None in the training frame, which no file format keeps."""
    frame = penguins()[[*NUMBERS, "sex", "species"]]
    sex = frame["sex"].astype(object)
    frame["sex"] = sex.where(np.arange(len(frame)) % 7 > 0, None)
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(), ["sex"])])
    inputs = [*NUMBERS, "sex"]
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[inputs], frame["species"])
    return Fitted(model, frame, frame[inputs].head(9), "species", engine="onnx")


def _category_column(encoder: Any) -> Fitted:
    """A pandas category column behind an encoder of scikit-learn."""
    frame = penguins()[[*NUMBERS, "island", "species"]]
    frame["island"] = frame["island"].astype("category")
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", encoder, ["island"])])
    inputs = [*NUMBERS, "island"]
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[inputs], frame["species"])
    asked = frame[inputs].head(9)
    return Fitted(model, frame, asked, "species", engine="onnx", parquet=True)


CASES = [
    Case("one-hot-error", lambda: _category(OneHotEncoder(), unseen=False)),
    Case("one-hot-ignore", lambda: _category(OneHotEncoder(handle_unknown="ignore"), unseen=True)),
    Case("one-hot-infrequent", lambda: _category(
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=60), unseen=True)),
    Case("ordinal-error", lambda: _category(OrdinalEncoder(), unseen=False)),
    Case("ordinal-value", lambda: _category(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), unseen=True)),
    Case("target-encoder", lambda: _category(TargetEncoder(random_state=0), unseen=True)),
    Case("code-one-hot-error", lambda: _code(OneHotEncoder(), answers=[],
                                             refuses=[2, -1, 0.5, np.nan])),
    Case("code-ordinal-error", lambda: _code(OrdinalEncoder(), answers=[], refuses=[2, 1000])),
    Case("code-one-hot-ignore", lambda: _code(OneHotEncoder(handle_unknown="ignore"),
                                              answers=[2, 0.5], refuses=[])),
    Case("imputed", lambda: _imputed(SimpleImputer())),
    Case("imputed-by-neighbors", lambda: _imputed(KNNImputer())),
    Case("not-imputed", _not_imputed),
    Case("whole-numbers", _whole_numbers),
    Case("logarithm", lambda: _transformed(FunctionTransformer(np.log), Ridge(), [0, -1])),
    Case("logarithm-boosting", lambda: _transformed(
        FunctionTransformer(np.log), GradientBoostingRegressor(n_estimators=10), [0, -1])),
    Case("logarithm-forest", lambda: _transformed(
        FunctionTransformer(np.log), RandomForestRegressor(10, random_state=0), [0])),
    Case("logarithm-near-zero", lambda: _near_zero(Ridge(), [0, -1])),
    Case("reciprocal", lambda: _transformed(FunctionTransformer(np.reciprocal), Ridge(), [0.0])),
    Case("box-cox", lambda: _transformed(PowerTransformer(method="box-cox"), Ridge(), [0, -3])),
    Case("box-cox-forest", lambda: _transformed(
        PowerTransformer(method="box-cox"), RandomForestRegressor(10, random_state=0), [0, -3])),
    Case("scaled-overflow", lambda: _transformed(
        MinMaxScaler(), RandomForestRegressor(10, random_state=0), [3e38], divided=True)),
    Case("dropped-columns", _dropped),
    Case("float32-linear", lambda: _precision(LogisticRegression(max_iter=500))),
    Case("float32-forest", lambda: _precision(RandomForestClassifier(20, random_state=0),
                                              engine="sklearn")),
    Case("none-as-category", _none_as_category),
    Case("category-column", lambda: _category_column(OneHotEncoder())),
    Case("category-column-ignore", lambda: _category_column(
        OneHotEncoder(handle_unknown="ignore"))),
    Case("dates-parquet", lambda: _dates(parquet=True, zone=None)),
    Case("dates-csv", lambda: _dates(parquet=False, zone=None)),
    Case("dates-zone", lambda: _dates(parquet=True, zone="Europe/Berlin")),
    Case("date-texts", _date_texts),
    Case("array-of-strings", _array_of_strings),
    Case("array-of-codes", _array_of_codes),
    Case("index-column", _indexed),
    Case("many-texts", _many_texts),
    Case("native-categories", _native_categories),
    Case("booleans", _booleans),
    Case("booleans-one-hot", lambda: _booleans_encoded(OneHotEncoder(), answers=False)),
    Case("booleans-one-hot-ignore", lambda: _booleans_encoded(
        OneHotEncoder(handle_unknown="ignore"), answers=True)),
    Case("booleans-ordinal-value", lambda: _booleans_encoded(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), answers=True)),
    Case("zip-codes", _zip_codes),
]  # fmt: skip
