"""Preprocessing steps, options and wrappers beyond the families, each in a small real pipeline."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

from benchmarks.families import NUMBERS, load, try_engines

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelctl.packaging.engines import Attempt

TITLE = "## Preprocessing steps and options"
STRINGS = ["island", "sex"]
MEDIAN = SimpleImputer(strategy="median")
ORDINAL = functools.partial(OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1)

NUMERIC: dict[str, Any] = {
    "`StandardScaler`": StandardScaler(),
    "`MinMaxScaler(clip=True)`": MinMaxScaler(clip=True),
    "`MaxAbsScaler`": MaxAbsScaler(),
    "`RobustScaler`": RobustScaler(),
    "`Normalizer`": Normalizer(),
    "`Binarizer`": Binarizer(threshold=45),
    "`PolynomialFeatures(3)`": PolynomialFeatures(3),
    "`PowerTransformer` (Yeo-Johnson)": PowerTransformer(),
    "`PowerTransformer` (Box-Cox)": PowerTransformer(method="box-cox"),
    "`QuantileTransformer` (uniform)": QuantileTransformer(n_quantiles=100),
    "`QuantileTransformer` (normal)": QuantileTransformer(
        n_quantiles=100, output_distribution="normal"
    ),
    "`KBinsDiscretizer` (one-hot)": KBinsDiscretizer(5, strategy="uniform"),
    "`KBinsDiscretizer` (ordinal)": KBinsDiscretizer(5, encode="ordinal", strategy="uniform"),
    "`SplineTransformer`": SplineTransformer(),
    "`SelectKBest`": SelectKBest(k=2),
    "`VarianceThreshold`": VarianceThreshold(),
    "`PCA(whiten=True)`": PCA(2, whiten=True),
    "`TruncatedSVD`": TruncatedSVD(2),
    "`FeatureUnion` with weights": FeatureUnion(
        [("scaled", MinMaxScaler()), ("pca", PCA(1))], transformer_weights={"scaled": 2.0}
    ),
    "`FunctionTransformer(np.log1p)`": FunctionTransformer(np.log1p),
    "`FunctionTransformer(lambda ...)`": FunctionTransformer(lambda rows: rows * 2),
}
MISSING: dict[str, Any] = {
    "`SimpleImputer(strategy='median')`": MEDIAN,
    "`SimpleImputer(add_indicator=True)`": SimpleImputer(add_indicator=True),
    "`MissingIndicator(features='all')`": make_union(MEDIAN, MissingIndicator(features="all")),
    "`KNNImputer`": KNNImputer(),
    "`IterativeImputer`": IterativeImputer(random_state=0),
}
TEXT: dict[str, Any] = {
    "`OneHotEncoder(handle_unknown='ignore')`": OneHotEncoder(handle_unknown="ignore"),
    "`OneHotEncoder(drop='first', handle_unknown='ignore')`": OneHotEncoder(
        drop="first", handle_unknown="ignore"
    ),
    "`OneHotEncoder(min_frequency=..., handle_unknown='infrequent_if_exist')`": OneHotEncoder(
        min_frequency=100, handle_unknown="infrequent_if_exist"
    ),
    "`OrdinalEncoder(encoded_missing_value=...)`": ORDINAL(encoded_missing_value=-2),
    "`OrdinalEncoder(max_categories=...)`": ORDINAL(max_categories=2, encoded_missing_value=-2),
    "`TargetEncoder`": TargetEncoder(),
}


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(20, random_state=0)


# On numbers: the species, whether it is an Adelie, or the mass; on mixed columns: the species.
MODELS: dict[str, tuple[str, Callable[[], Any]]] = {
    "`SVC(probability=True)`": ("species", lambda: SVC(probability=True, random_state=0)),
    "`CalibratedClassifierCV(method='isotonic')`": (
        "species",
        lambda: CalibratedClassifierCV(_forest(), method="isotonic", cv=3),
    ),
    "`CalibratedClassifierCV(method='temperature')`": (
        "species",
        lambda: CalibratedClassifierCV(_forest(), method="temperature", cv=3),
    ),
    "`CalibratedClassifierCV(SVC(), ensemble=False)`": (
        "species",
        lambda: CalibratedClassifierCV(SVC(), ensemble=False, cv=3),
    ),
    "`HistGradientBoostingClassifier` on category columns": (
        "mixed",
        lambda: HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ),
    "`KNeighborsRegressor(weights='distance')`": (
        "mass",
        lambda: KNeighborsRegressor(weights="distance"),
    ),
    "`KNeighborsClassifier(p=1)` where neighbours are equally far": (
        "species",
        lambda: KNeighborsClassifier(p=1),
    ),
    "`GridSearchCV` around a pipeline": (
        "species",
        lambda: GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()),
            {"logisticregression__C": [0.1, 1]},
            cv=2,
        ),
    ),
    "`TransformedTargetRegressor(func=np.log, inverse_func=np.exp)`": (
        "mass",
        lambda: TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
    ),
    "`FixedThresholdClassifier`": (
        "adelie",
        lambda: FixedThresholdClassifier(LogisticRegression(max_iter=500), threshold=0.2),
    ),
    "`OneVsRestClassifier`": ("species", lambda: OneVsRestClassifier(LogisticRegression())),
    "`AdaBoostClassifier`": (
        "species",
        lambda: AdaBoostClassifier(n_estimators=10, random_state=0),
    ),
}


def section() -> str:
    """Return the section about steps and options: engine, rows compared, deviation or reason."""
    lines = [
        f"{TITLE}\n",
        "Each in a pipeline on the penguins, packaged and compared like the families above. What",
        "has no exact translation is served by the sklearn engine, and packaging says why. Of",
        "several targets, anomaly detectors, clusterers and transformers `modelctl package` prints",
        "the same comparison: every target, score and number of a vector takes part.\n",
        "| step or option | engine | rows | max deviation | why not onnx |",
        "|---|---|--:|--:|---|",
    ]
    for name, step in (NUMERIC | MISSING).items():
        inner = step if name in MISSING else make_pipeline(MEDIAN, step)
        lines.append(_line(name, _in_columns(inner, OneHotEncoder(handle_unknown="ignore"))))
    lines += [_line(name, _in_columns(MEDIAN, step)) for name, step in TEXT.items()]
    lines += [_line(name, _model(*entry)) for name, entry in MODELS.items()]
    return "\n".join(lines) + "\n"


def _in_columns(numbers: Any, strings: Any) -> Attempt:
    features, target = load("penguins: species")
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("strings", strings, STRINGS)])
    scaler = StandardScaler(with_mean=False)
    return _attempt(
        make_pipeline(columns, scaler, LogisticRegression(max_iter=200)), features, target
    )


def _model(target: str, make: Callable[[], Any]) -> Attempt:
    features, species = load("penguins: species")
    mass = features["body_mass_g"].fillna(4000.0)
    if target == "mixed":
        mixed = features[[*NUMBERS, *STRINGS]].astype(dict.fromkeys(STRINGS, "category"))
        return _attempt(make(), mixed, species)
    numbers = features[NUMBERS].fillna(features[NUMBERS].median())
    answers = {"species": species, "adelie": species == "Adelie", "mass": mass}
    return _attempt(make(), numbers, answers[target])


def _attempt(model: Any, features: Any, target: Any) -> Attempt:
    with warnings.catch_warnings():
        # Deprecated options are still in use; solvers stop early on purpose.
        warnings.simplefilter("ignore")
        model.fit(features, target)
        return try_engines(model, features, "target", tolerance=1e-6)[0]


def _line(name: str, attempt: Attempt) -> str:
    parity = attempt.parity
    engine = "sklearn" if attempt.reason else "onnx"
    rows = "" if parity is None else f"{sum(parity.rows.values()):,}"
    deviation = "" if parity is None or attempt.reason else f"{parity.max_abs_diff:.0e}"
    line = f"| {name} | {engine} | {rows} | {deviation} | {attempt.reason} |"
    print(line, flush=True)
    return line
