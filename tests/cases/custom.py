"""Steps and estimators of the user's own, and what scikit-learn's own pass around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.cases.case import Case, Fitted
from tests.cases.columns import NUMBERS, diabetes, penguins


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Codes as texts, in which 2 and 2.0 differ."""
    return frame.astype(str)


def domain(frame: pd.DataFrame) -> pd.DataFrame:
    """The part of an address behind the sign; an error without one."""
    return frame.map(lambda text: {"corp.com": 1.0}.get(text.split("@")[1], 0.0))


def squared(frame: pd.DataFrame) -> pd.DataFrame:
    """Of small integers, which overflow."""
    return frame * frame


class ListRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers a plain list."""

    def fit(self, rows: pd.DataFrame, target: Any) -> ListRegressor:
        """Keep the mean."""
        self.mean_ = float(np.mean(target))
        self.feature_names_in_ = np.array(rows.columns)
        return self

    def predict(self, rows: pd.DataFrame) -> list[float]:
        """One number per row."""
        return [self.mean_ + float(value) for value in rows.iloc[:, 0]]


class MeanImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Imputes as steps of other libraries do."""

    def fit(self, rows: pd.DataFrame, _: Any = None) -> MeanImputer:
        """Keep the means."""
        self.means_ = rows.mean()
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Each gap is the mean."""
        return rows.fillna(self.means_)


def _imputed_by_another_library() -> Fitted:
    frame = diabetes()[["bmi", "bp", "target"]]
    features = frame[["bmi", "bp"]]
    model = make_pipeline(MeanImputer(), Ridge()).fit(features, frame["target"])
    asked = features.head(6).mask(np.arange(12).reshape(6, 2) % 5 == 0)
    return Fitted(model, frame, asked, "target")


def _coded(*, nullable: bool) -> Fitted:
    frame = diabetes()[["bmi", "sex", "target"]]
    if nullable:
        frame["sex"] = frame["sex"].astype("Int64").mask(np.arange(len(frame)) % 9 == 0)
    encoder = OneHotEncoder(handle_unknown="ignore")
    code = make_pipeline(FunctionTransformer(as_text), encoder)
    columns = ColumnTransformer([("c", code, ["sex"]), ("n", "passthrough", ["bmi"])])
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "sex"]], frame["target"])
    return Fitted(model, frame, frame[["bmi", "sex"]].head(12), "target", parquet=True)


def _addresses() -> Fitted:
    frame = diabetes()[["bmi", "target"]]
    frame["mail"] = [f"user{at}@{('corp.com', 'mail.org')[at % 2]}" for at in range(len(frame))]
    columns = ColumnTransformer(
        [("m", FunctionTransformer(domain), ["mail"]), ("n", "passthrough", ["bmi"])]
    )
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "mail"]], frame["target"])
    asked = pd.DataFrame({"bmi": [25.0, 30.0], "mail": ["new@corp.com", "other@else.net"]})
    refused = pd.DataFrame({"bmi": [25.0], "mail": ["nobody"]})
    return Fitted(model, frame, asked, "target", refused, engine="sklearn")


def _overflowing() -> Fitted:
    frame = diabetes()[["bmi", "target"]]
    frame["level"] = (np.arange(len(frame)) % 30).astype("uint8")
    columns = ColumnTransformer(
        [("l", FunctionTransformer(squared), ["level"]), ("n", "passthrough", ["bmi"])]
    )
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "level"]], frame["target"])
    return Fitted(model, frame, frame[["bmi", "level"]].head(35), "target", parquet=True)


def _stacked() -> Fitted:
    """Members read some columns; the final estimator reads all."""
    frame = penguins()
    member = make_pipeline(
        ColumnTransformer([("n", StandardScaler(), NUMBERS[:2])]), LogisticRegression(max_iter=300)
    )
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = StackingClassifier([("m", member)], final_estimator=tree, passthrough=True, cv=3)
    model.fit(frame[NUMBERS], frame["species"])
    return Fitted(model, frame[[*NUMBERS, "species"]], frame[NUMBERS].head(20), "species")


def _none_imputed() -> Fitted:
    """An imputer that takes None for a missing value."""
    frame = penguins()[[*NUMBERS, "sex", "species"]]
    frame["sex"] = frame["sex"].astype(object).where(np.arange(len(frame)) % 7 > 0, None)
    steps = make_pipeline(
        SimpleImputer(missing_values=None, strategy="most_frequent"), OneHotEncoder()
    )
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", steps, ["sex"])])
    inputs = [*NUMBERS, "sex"]
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    model.fit(frame[inputs], frame["species"])
    return Fitted(model, frame, frame[inputs].head(9), "species")


def _coarse_codes() -> Fitted:
    """Fractions of float32 as codes: a client's 0.1 is the code 0.1."""
    frame = diabetes()[["bmi", "target"]]
    frame["step"] = (np.arange(len(frame)) % 4 / 10).astype("float32")
    columns = ColumnTransformer([("s", OneHotEncoder(), ["step"]), ("n", "passthrough", ["bmi"])])
    model = make_pipeline(columns, Ridge()).fit(frame[["bmi", "step"]], frame["target"])
    asked = frame[["bmi", "step"]].head(6)
    return Fitted(model, frame, asked, "target", parquet=True)


def _lists() -> Fitted:
    frame = diabetes()[["bmi", "target"]]
    model = ListRegressor().fit(frame[["bmi"]], frame["target"])
    return Fitted(model, frame, frame[["bmi"]].head(5), "target", engine="sklearn")


CASES = [
    Case("own-step-codes", lambda: _coded(nullable=False)),
    Case("own-step-nullable-codes", lambda: _coded(nullable=True)),
    Case("own-step-addresses", _addresses),
    Case("own-imputer", _imputed_by_another_library),
    Case("own-step-overflow", _overflowing),
    Case("own-estimator-lists", _lists),
    Case("stacking-passthrough", _stacked),
    Case("none-imputed", _none_imputed),
    Case("float32-codes", _coarse_codes),
]
