"""Random pipelines over random columns, and random rows to ask them: seeded, so repeatable.

Nothing here is shared with packaging: a row is built as a user would build it, and the right
answer is what the estimator says to it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 160


@dataclass(frozen=True)
class Generated:
    """A fitted pipeline, its training rows, and rows to ask, each a mapping of raw values."""

    estimator: Any
    frame: pd.DataFrame
    target: pd.Series[Any]
    asked: list[dict[str, Any]]
    is_array: bool

    @property
    def has_neighbors(self) -> bool:
        """Whether nearest neighbors vote: which of equally distant ones is nobody's promise."""
        members = self.estimator.get_params().values()
        return any(isinstance(one, KNeighborsClassifier | KNeighborsRegressor) for one in members)

    def answer(self, row: dict[str, Any]) -> Any:
        """What the estimator says to one row; None if it refuses, or says nothing finite."""
        columns = {name: _column(value, self.frame[name]) for name, value in row.items()}
        own: Any = pd.DataFrame(columns)
        own = own.to_numpy() if self.is_array else own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                (value,) = np.asarray(self.estimator.predict(own)).tolist()
            except Exception:
                return None
        return None if isinstance(value, float) and not math.isfinite(value) else value


def generate(seed: int) -> Generated:
    """One pipeline of this seed."""
    random = np.random.default_rng(seed)
    frame = _frame(random)
    is_classifier = bool(random.random() < 0.5)
    signal = frame["size"].fillna(5) * 2 + frame["code"] * 3 + (frame["kind"] == "b") * 4
    target = (signal > signal.median()).astype(int) if is_classifier else signal.astype(float)
    is_array = bool(random.random() < 0.2)
    model = _model(random, frame, is_classifier=is_classifier, is_array=is_array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame.to_numpy() if is_array else frame, target)
    asked = [_mutated(random, frame) for _ in range(40)]
    return Generated(model, frame, target.rename("y"), asked, is_array)


def _frame(random: np.random.Generator) -> pd.DataFrame:
    kinds = random.choice(["a", "b", "c", "rare"], size=ROWS, p=[0.4, 0.3, 0.28, 0.02])
    frame = pd.DataFrame(
        {
            "size": random.gamma(3.0, 2.0, size=ROWS).round(3),
            "count": random.integers(0, 30, size=ROWS),
            "code": random.integers(0, 2, size=ROWS),
            "kind": kinds,
            "zip": [f"{at:03d}" for at in random.integers(0, 6, size=ROWS)],
        }
    )
    if random.random() < 0.4:
        frame.loc[random.random(ROWS) < 0.1, "size"] = np.nan
    if random.random() < 0.3:
        frame.loc[random.random(ROWS) < 0.1, "kind"] = np.nan
    return frame


def _pick(random: np.random.Generator, choices: list[Any]) -> Any:
    return choices[int(random.integers(len(choices)))]


def _model(
    random: np.random.Generator, frame: pd.DataFrame, *, is_classifier: bool, is_array: bool
) -> Any:
    places = {name: at for at, name in enumerate(frame.columns)}
    parts = [
        (
            name,
            _transformer(random, frame[name], is_array=is_array),
            [places[name] if is_array else name],
        )
        for name in frame.columns
        # A frame may have columns that nothing reads; an array's are told by their place.
        if is_array or random.random() < 0.85 or name in ("size", "kind")
    ]
    columns = ColumnTransformer(parts, sparse_threshold=0)
    last = _classifier(random) if is_classifier else _regressor(random)
    model = make_pipeline(columns, last)
    if random.random() < 0.2:
        model = make_pipeline(columns, SimpleImputer(), last)
    wrap = random.random()
    if wrap < 0.1:
        return GridSearchCV(model, {}, cv=2)
    if is_classifier and wrap < 0.2:
        return CalibratedClassifierCV(model, cv=2)
    if is_classifier and wrap < 0.25:
        return VotingClassifier([("one", model), ("two", model)], voting="soft")
    if not is_classifier and wrap < 0.2:
        return TransformedTargetRegressor(model, transformer=StandardScaler())
    if not is_classifier and wrap < 0.25:
        return VotingRegressor([("one", model), ("two", model)])
    return model


def _transformer(random: np.random.Generator, column: pd.Series[Any], *, is_array: bool) -> Any:
    if pd.api.types.is_numeric_dtype(column):
        # NumPy's functions take no array of objects, which that of a mixed frame is.
        step = StandardScaler() if is_array else _number_step(random, column)
        imputer = SimpleImputer(strategy=_pick(random, ["mean", "median"]))
    else:
        step = _encoder(random)
        imputer = SimpleImputer(strategy="most_frequent")
    is_needed = bool(column.isna().any())
    return make_pipeline(imputer, step) if is_needed or random.random() < 0.4 else step


def _number_step(random: np.random.Generator, column: pd.Series[Any]) -> Any:
    positive = bool((column.dropna() > 0).all())
    choices: list[Any] = [
        StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler(), "passthrough",
        KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
        PolynomialFeatures(2), FunctionTransformer(np.log1p), PowerTransformer(),
    ]  # fmt: skip
    if positive:
        choices += [FunctionTransformer(np.log), PowerTransformer(method="box-cox"),
                    FunctionTransformer(np.reciprocal)]  # fmt: skip
    if pd.api.types.is_integer_dtype(column):
        choices += [_encoder(random), _encoder(random), _encoder(random)]
    return _pick(random, choices)


def _encoder(random: np.random.Generator) -> Any:
    return _pick(
        random,
        [
            OneHotEncoder(sparse_output=False),
            OneHotEncoder(drop="first", sparse_output=False),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20,
                          sparse_output=False),
            OrdinalEncoder(),
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            TargetEncoder(random_state=0),
        ],
    )  # fmt: skip


def _classifier(random: np.random.Generator) -> Any:
    return _pick(
        random,
        [
            LogisticRegression(max_iter=200), RandomForestClassifier(8, random_state=0),
            GradientBoostingClassifier(n_estimators=5, random_state=0),
            HistGradientBoostingClassifier(max_iter=5), KNeighborsClassifier(3),
            DecisionTreeClassifier(max_depth=4, random_state=0),
            BaggingClassifier(DecisionTreeClassifier(max_depth=3), 4, random_state=0),
        ],
    )  # fmt: skip


def _regressor(random: np.random.Generator) -> Any:
    return _pick(
        random,
        [
            Ridge(), RandomForestRegressor(8, random_state=0),
            ExtraTreesRegressor(8, random_state=0),
            GradientBoostingRegressor(n_estimators=5, random_state=0),
            HistGradientBoostingRegressor(max_iter=5), KNeighborsRegressor(3),
            DecisionTreeRegressor(max_depth=4, random_state=0),
        ],
    )  # fmt: skip


def _mutated(random: np.random.Generator, frame: pd.DataFrame) -> dict[str, Any]:
    """A row of the frame with other values in some of its columns."""
    at = int(random.integers(len(frame)))
    row = {}
    for name in frame.columns:
        value = frame[name].iloc[at]
        value = value.item() if hasattr(value, "item") else value
        if random.random() < 0.25:
            numbers = [None, 0, -1, 2, 7, 0.5, -3.25, 1e6, 1e30, -1e30, 31]
            texts = [None, "", "b", "d", "unseen", "007", "0", "None", "A"]
            is_number = pd.api.types.is_numeric_dtype(frame[name])
            value = _pick(random, numbers if is_number else texts)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        row[name] = None if missing else value
    return row


def _column(value: Any, like: pd.Series[Any]) -> pd.Series[Any]:
    """One value as a column of a user's frame: of the type in training, if that can hold it."""
    is_whole = pd.api.types.is_integer_dtype(like) and not isinstance(value, float)
    if value is None and is_whole:
        return pd.Series([np.nan], dtype="float64")
    value = np.nan if value is None else value
    is_fraction = pd.api.types.is_integer_dtype(like) and not is_whole
    return pd.Series([value], dtype="float64" if is_fraction else like.dtype)
