"""The estimator families, preprocessors and data sets that exactness is measured and tested on.

Real data that ships with published packages; fixed seeds; sizes that keep a full run to minutes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from palmerpenguins import load_penguins
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from modelctl.packaging.engines import attempt_all
from modelctl.packaging.inference import infer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from modelctl.packaging.engines import Attempt

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm"]


@dataclass(frozen=True)
class Family:
    """A family: the constructors of its classifier and its regressor, where it has them."""

    name: str
    classifier: Callable[[], Any] | None
    regressor: Callable[[], Any] | None
    is_tree: bool = False
    # The classes have to be the numbers 0, 1, 2 and so on.
    takes_codes: bool = False
    # The most that the onnx engine may deviate.
    tolerance: float = 1e-9


def _mlp(make: Callable[..., Any]) -> Any:
    # Stops early on purpose: exactness does not depend on convergence.
    return make(hidden_layer_sizes=(32, 16), max_iter=20, tol=1.0, random_state=0)


def _members(kinds: tuple[Callable[..., Any], ...]) -> list[tuple[str, Any]]:
    linear, forest = kinds
    return [("linear", linear()), ("forest", forest(n_estimators=20, random_state=0))]


CATBOOST: dict[str, Any] = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
CLASSIFIERS = (functools.partial(LogisticRegression, max_iter=300), RandomForestClassifier)
REGRESSORS = (Ridge, RandomForestRegressor)

FAMILIES = (
    Family("logistic regression", lambda: LogisticRegression(max_iter=300), None),
    Family("ridge", RidgeClassifier, Ridge),
    Family("linear regression", None, LinearRegression),
    Family(
        "SGD",
        lambda: SGDClassifier(loss="log_loss", random_state=0),
        lambda: SGDRegressor(random_state=0),
    ),
    Family("support vectors", SVC, SVR),
    Family("nearest neighbours", KNeighborsClassifier, KNeighborsRegressor),
    Family("naive Bayes", GaussianNB, None),
    Family(
        "decision tree",
        lambda: DecisionTreeClassifier(random_state=0),
        lambda: DecisionTreeRegressor(random_state=0),
        is_tree=True,
    ),
    Family(
        "random forest",
        lambda: RandomForestClassifier(random_state=0),
        lambda: RandomForestRegressor(random_state=0),
        is_tree=True,
    ),
    Family(
        "extra trees",
        lambda: ExtraTreesClassifier(random_state=0),
        lambda: ExtraTreesRegressor(random_state=0),
        is_tree=True,
    ),
    Family(
        "gradient boosting",
        lambda: GradientBoostingClassifier(random_state=0),
        lambda: GradientBoostingRegressor(random_state=0),
        is_tree=True,
    ),
    Family(
        "hist gradient boosting",
        lambda: HistGradientBoostingClassifier(random_state=0),
        lambda: HistGradientBoostingRegressor(random_state=0),
        is_tree=True,
    ),
    Family(
        "XGBoost",
        lambda: XGBClassifier(n_jobs=1),
        lambda: XGBRegressor(n_jobs=1),
        is_tree=True,
        takes_codes=True,
        # One rounding of a float32, in which this library calculates.
        tolerance=1.2e-7,
    ),
    Family(
        "LightGBM",
        lambda: LGBMClassifier(n_jobs=1, verbose=-1),
        lambda: LGBMRegressor(n_jobs=1, verbose=-1),
        is_tree=True,
    ),
    Family(
        "CatBoost",
        lambda: CatBoostClassifier(**CATBOOST),
        lambda: CatBoostRegressor(**CATBOOST),
        is_tree=True,
    ),
    Family(
        "multi-layer perceptron",
        lambda: _mlp(MLPClassifier),
        lambda: _mlp(MLPRegressor),
    ),
    Family(
        "calibrated",
        lambda: CalibratedClassifierCV(RandomForestClassifier(20, random_state=0), cv=3),
        None,
    ),
    Family(
        "voting",
        lambda: VotingClassifier(_members(CLASSIFIERS), voting="soft"),
        lambda: VotingRegressor(_members(REGRESSORS)),
    ),
    Family(
        "stacking",
        lambda: StackingClassifier(_members(CLASSIFIERS), cv=3),
        lambda: StackingRegressor(_members(REGRESSORS), cv=3),
    ),
)


@dataclass(frozen=True)
class Case:
    """A family, preprocessing and a data set, ready to be fitted."""

    family: Family
    kind: str
    preprocessing: str
    data: str

    @property
    def name(self) -> str:
        """A short unique name."""
        return f"{self.family.name}/{self.kind}/{self.preprocessing}"

    def fitted(self) -> tuple[Any, pd.DataFrame, str]:
        """Return the fitted estimator, its features and the target's name."""
        features, target = load(self.data)
        make = self.family.classifier if self.kind == "classifier" else self.family.regressor
        if make is None:
            raise ValueError(f"{self.name} does not exist")
        if self.family.takes_codes and self.kind == "classifier":
            target = target.astype("category").cat.codes.rename(target.name)
        steps = {"none": [], "scaler": [StandardScaler()], "columns": [columns()]}
        model = make_pipeline(*steps[self.preprocessing], make())
        return model.fit(features, target), features, str(target.name)


def cases() -> list[Case]:
    """Return every existing combination of family, kind and preprocessing."""
    found = []
    for family in FAMILIES:
        for kind, make, numeric, mixed in (
            ("classifier", family.classifier, "breast cancer", "penguins: species"),
            ("regressor", family.regressor, "diabetes", "penguins: mass"),
        ):
            if make is not None:
                found += [Case(family, kind, step, numeric) for step in ("none", "scaler")]
                found.append(Case(family, kind, "columns", mixed))
    return found


@functools.cache
def load(name: str) -> tuple[pd.DataFrame, Any]:
    """Return features and target of a data set."""
    if name == "breast cancer":
        data = datasets.load_breast_cancer(as_frame=True)
        return data.data, data.target.rename("benign")
    if name == "diabetes":
        data = datasets.load_diabetes(as_frame=True, scaled=False)
        return data.data, data.target.rename("progression")
    frame = load_penguins()[[*NUMBERS, "island", "sex", "body_mass_g", "species"]]
    if name == "penguins: species":
        return frame.drop(columns=["species"]), frame["species"]
    frame = frame[frame["body_mass_g"].notna()]
    return frame.drop(columns=["body_mass_g"]), frame["body_mass_g"]


def columns() -> ColumnTransformer:
    """Return imputers, a scaler, one-hot and ordinal encoding for mixed columns."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer(
        [
            ("numbers", numbers, NUMBERS),
            ("one_hot", one_hot, ["island"]),
            ("ordinal", make_pipeline(ordinal, SimpleImputer(strategy="most_frequent")), ["sex"]),
        ]
    )


def try_engines(
    model: Any, features: pd.DataFrame, target: str, *, wanted: str = "auto", tolerance: float
) -> list[Attempt]:
    """Package a fitted estimator in memory: what became of each engine."""
    subject, _ = infer(model, features, target)
    return attempt_all(subject, wanted=wanted, tolerance=tolerance)[0]
