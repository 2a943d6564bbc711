"""Estimators inside others: codes and categories are found at the end of every wrapper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.cases.case import Case, Fitted
from tests.cases.columns import NUMBERS, diabetes, penguins


def coded() -> pd.DataFrame:
    """Penguins with a code of leading zeros for the island."""
    frame = penguins()
    return frame.assign(code=frame["island"].map({"Biscoe": "01", "Dream": "02"}).fillna("003"))


INPUTS = [*NUMBERS, "code"]


def prepare() -> ColumnTransformer:
    return ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(), ["code"])])


def classifier() -> Pipeline:
    return make_pipeline(prepare(), LogisticRegression(max_iter=500))


def as_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A user's own leading step."""
    return frame.assign(body_mass_g=frame["body_mass_g"] / 1000)


def _classified(model: Any) -> Fitted:
    frame = coded()
    model.fit(frame[INPUTS], frame["species"])
    asked = frame[INPUTS].head(8)
    refused = asked.head(1).assign(code="1")
    return Fitted(model, frame[[*INPUTS, "species"]], asked, "species", refused)


def _target() -> Fitted:
    frame = diabetes()
    frame["code"] = frame["sex"].map({0: "00", 1: "01"})
    columns = ColumnTransformer([("c", OneHotEncoder(), ["code"]), ("n", "passthrough", ["bmi"])])
    model = TransformedTargetRegressor(
        make_pipeline(columns, Ridge()), func=np.log1p, inverse_func=np.expm1
    )
    model.fit(frame[["code", "bmi"]], frame["target"])
    asked = frame[["code", "bmi"]].head(6)
    refused = asked.head(1).assign(code="0")
    return Fitted(model, frame[["code", "bmi", "target"]], asked, "target", refused)


CASES = [
    Case("transformed-target", _target),
    Case("calibrated", lambda: _classified(CalibratedClassifierCV(classifier(), cv=3))),
    Case("voting", lambda: _classified(VotingClassifier(
        [("a", classifier()), ("b", make_pipeline(prepare(), DecisionTreeClassifier()))]))),
    Case("voting-soft", lambda: _classified(VotingClassifier(
        [("a", classifier()), ("b", make_pipeline(prepare(), DecisionTreeClassifier()))],
        voting="soft"))),
    Case("stacking", lambda: _classified(StackingClassifier(
        [("a", classifier()), ("b", make_pipeline(prepare(), DecisionTreeClassifier()))], cv=3))),
    Case("search", lambda: _classified(GridSearchCV(
        classifier(), {"logisticregression__C": [0.1, 1.0]}, cv=3))),
    Case("leading-function", lambda: _classified(
        make_pipeline(FunctionTransformer(as_frame), prepare(), LogisticRegression(max_iter=500)))),
    Case("nested-pipelines", lambda: _classified(
        make_pipeline(make_pipeline(prepare()), make_pipeline(LogisticRegression(max_iter=500))))),
    Case("union", lambda: _classified(make_pipeline(
        FeatureUnion([("a", prepare()), ("b", prepare())]), LogisticRegression(max_iter=500)))),
    Case("bagging-behind", lambda: _classified(make_pipeline(
        prepare(), BaggingClassifier(DecisionTreeClassifier(max_depth=3), 5, random_state=0)))),
]  # fmt: skip
