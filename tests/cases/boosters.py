"""XGBoost, LightGBM and CatBoost as people fit them: categories, missing values, wrappers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from tests.cases.case import Case, Fitted
from tests.cases.columns import NUMBERS, diabetes, penguins

CATBOOST: dict[str, Any] = {"verbose": 0, "allow_writing_files": False, "iterations": 20}
LIGHT: dict[str, Any] = {"verbose": -1, "n_estimators": 10, "min_child_samples": 5, "n_jobs": 1}
XGB: dict[str, Any] = {"n_estimators": 10, "n_jobs": 1}


def _numbers(model: Any, *, engine: str = "onnx") -> Fitted:
    """A regression on numbers, some of which are missing."""
    frame = diabetes()[["bmi", "bp", "age", "target"]]
    frame.loc[::11, "bp"] = np.nan
    inputs = ["bmi", "bp", "age"]
    model.fit(frame[inputs], frame["target"])
    return Fitted(model, frame, frame[inputs].head(30), "target", engine=engine)


def _categories(model: Any, *, parquet: bool, numbers: bool = False) -> Fitted:
    """A pandas category column of texts, or of numbers; CSV has neither."""
    frame = penguins()[[*NUMBERS, "island", "species"]]
    if numbers:
        frame["island"] = (frame["body_mass_g"] // 500 * 5).astype(int)
    frame["island"] = frame["island"].astype("category")
    frame["species"] = frame["species"].astype("category").cat.codes.astype(int)
    inputs = [*NUMBERS, "island"]
    model.fit(frame[inputs], frame["species"])
    return Fitted(model, frame, frame[inputs].head(20), "species", engine="onnx", parquet=parquet)


def _by_name(name: str, *, parquet: bool, numbers: bool) -> Fitted:
    model = (
        XGBClassifier(enable_categorical=True, **XGB)
        if name == "xgboost"
        else LGBMClassifier(**LIGHT)
    )
    return _categories(model, parquet=parquet, numbers=numbers)


def _booleans(*, parquet: bool, categories: list[bool], missing: bool = False) -> Fitted:
    """A pandas category column of true and false, beside one of texts; XGBoost fits none."""
    frame = diabetes()[["bmi", "bp", "sex", "target"]]
    women = frame.pop("sex") > 0
    flags = women.astype(object)
    if missing:
        flags[::7] = None
    frame["flag"] = pd.Categorical(flags, categories=categories)
    frame["age"] = pd.Categorical(np.where(frame["bmi"] > 0, "old", "new"))
    inputs = ["bmi", "bp", "flag", "age"]
    model = LGBMRegressor(**LIGHT).fit(frame[inputs], frame["target"] + 90 * women)
    asked = frame[inputs].head(30)
    return Fitted(model, frame, asked, "target", engine="onnx", parquet=parquet)


def _strings(model: Any) -> Fitted:
    """CatBoost takes strings as they are, and any other string."""
    frame = penguins()[[*NUMBERS, "island", "species"]]
    inputs = [*NUMBERS, "island"]
    model.fit(frame[inputs], frame["species"])
    other = frame[inputs].head(2).assign(island="Atlantis")
    return Fitted(model, frame, pd.concat([frame[inputs].head(9), other]), "species")


def _last_step(model: Any, *, codes: bool = False) -> Fitted:
    frame = penguins()[[*NUMBERS, "island", "species"]]
    if codes:
        frame["species"] = frame["species"].astype("category").cat.codes.astype(int)
    columns = ColumnTransformer(
        [("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(), ["island"])]
    )
    inputs = [*NUMBERS, "island"]
    pipeline = GridSearchCV(make_pipeline(columns, model), {}, cv=2)
    pipeline.fit(frame[inputs], frame["species"])
    asked = frame[inputs].head(20)
    refused = asked.head(1).assign(island="Atlantis")
    return Fitted(pipeline, frame, asked, "species", refused, engine="onnx")


CASES = [
    Case("xgboost-numbers", lambda: _numbers(XGBRegressor(**XGB))),
    Case("lightgbm-numbers", lambda: _numbers(LGBMRegressor(**LIGHT))),
    Case("catboost-numbers", lambda: _numbers(CatBoostRegressor(**CATBOOST))),
    *(
        Case(
            f"{name}-{what}-{'parquet' if parquet else 'csv'}",
            partial(_by_name, name, parquet=parquet, numbers=what == "codes"),
        )
        for name in ("xgboost", "lightgbm")
        for what in ("categories", "codes")
        for parquet in (True, False)
    ),
    *(
        Case(
            f"lightgbm-booleans-{what}-{'parquet' if parquet else 'csv'}",
            partial(_booleans, parquet=parquet, categories=categories, missing=what == "missing"),
        )
        for what, categories in (
            ("in-order", [False, True]),
            ("reversed", [True, False]),
            ("missing", [False, True]),
        )
        for parquet in (True, False)
    ),
    Case("catboost-strings", lambda: _strings(
        CatBoostClassifier(cat_features=["island"], **CATBOOST))),
    Case("xgboost-last-step", lambda: _last_step(XGBClassifier(**XGB), codes=True)),
    Case("lightgbm-last-step", lambda: _last_step(LGBMClassifier(**LIGHT))),
    Case("catboost-last-step", lambda: _last_step(CatBoostClassifier(**CATBOOST))),
]  # fmt: skip
