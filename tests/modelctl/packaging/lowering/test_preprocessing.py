"""Translated preprocessing steps are exact on mixed columns; others keep the sklearn engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
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
    StandardScaler,
    TargetEncoder,
)

from benchmarks.families import NUMBERS, load, try_engines
from modelctl.errors import RefusedError
from modelctl.packaging.custom_code import find_custom_code
from modelctl.packaging.engines import Attempt
from modelctl.packaging.inference import infer

STRINGS = ["island", "sex"]
FILL = SimpleImputer(strategy="median")
MISSING_TEXT = SimpleImputer(strategy="constant", fill_value="unknown")


class Doubler(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A user's own class: nobody else can know what it does."""

    def fit(self, _rows: Any, _target: Any = None) -> Doubler:
        """Nothing to learn but that it was called, which pipelines ask for."""
        self.is_fitted_ = True
        return self

    def transform(self, rows: Any) -> Any:
        """Twice the input."""
        return rows * 2


def attempt(numbers: Any, strings: Any, wanted: str = "auto") -> tuple[Any, list[Attempt]]:
    """Fit a model on the penguins with these steps, and try the engines."""
    features, target = load("penguins: species")
    features = features.assign(heavy=features["body_mass_g"].fillna(0) > 4000)
    parts = [("numbers", numbers, NUMBERS), ("strings", strings, STRINGS)]
    columns = ColumnTransformer([*parts, ("rest", "passthrough", ["heavy"])], remainder="drop")
    model = make_pipeline(columns, StandardScaler(), LogisticRegression(max_iter=200))
    model.fit(features, target)
    return model, try_engines(model, features, "species", wanted=wanted, tolerance=1e-9)


ONE_HOT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
NUMERIC_STEPS = {
    "min-max": make_pipeline(FILL, MinMaxScaler(clip=True)),
    "max-abs": make_pipeline(FILL, MaxAbsScaler()),
    "robust": make_pipeline(FILL, RobustScaler()),
    "pca": make_pipeline(FILL, PCA(2, whiten=True)),
    "polynomial": make_pipeline(FILL, PolynomialFeatures(2)),
    "selection": make_pipeline(FILL, SelectKBest(k=2)),
    "union": make_pipeline(FILL, make_union(MinMaxScaler(), PCA(1))),
    "logarithm": make_pipeline(FILL, FunctionTransformer(np.log1p)),
    "imputed": FILL,
    "imputed with indicator": SimpleImputer(add_indicator=True),
    "indicator alone": make_union(FILL, MissingIndicator(features="all")),
    "imputed for a marker": make_pipeline(FILL, SimpleImputer(missing_values=190.0)),
    "yeo-johnson": make_pipeline(FILL, PowerTransformer()),
    "box-cox": make_pipeline(FILL, PowerTransformer(method="box-cox", standardize=False)),
    "quantiles": make_pipeline(FILL, QuantileTransformer(n_quantiles=50)),
    "bins one-hot": make_pipeline(
        FILL, KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf")
    ),
    "bins ordinal": make_pipeline(FILL, KBinsDiscretizer(4, encode="ordinal", strategy="uniform")),
    "binarized": make_pipeline(FILL, Binarizer(threshold=45)),
    "normalized": make_pipeline(FILL, Normalizer(), Normalizer("l1"), Normalizer("max")),
    "truncated svd": make_pipeline(FILL, TruncatedSVD(2)),
    "weighted union": make_pipeline(
        FILL, FeatureUnion([("a", MinMaxScaler()), ("b", PCA(1))], transformer_weights={"a": 3.0})
    ),
    "square root": make_pipeline(FILL, FunctionTransformer(np.sqrt)),
    "base 10": make_pipeline(FILL, FunctionTransformer(np.log10)),
}
STRING_STEPS = {
    "one-hot with missing as category": ONE_HOT,
    "one-hot without the first": OneHotEncoder(drop="first", sparse_output=False),
    "constant then one-hot": make_pipeline(MISSING_TEXT, ONE_HOT),
    "ordinal with missing": make_pipeline(OrdinalEncoder(encoded_missing_value=-1)),
    "ordinal with unknown": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
    "dropped": "drop",
    "one-hot with rare ones together": OneHotEncoder(min_frequency=100, sparse_output=False),
    "one-hot with unknown as rare": OneHotEncoder(
        max_categories=2, handle_unknown="infrequent_if_exist", sparse_output=False
    ),
    "one-hot without the first, unknown as zeros": OneHotEncoder(
        drop="first", handle_unknown="ignore", sparse_output=False
    ),
    "one-hot without the first of groups": OneHotEncoder(
        drop="first", min_frequency=60, sparse_output=False
    ),
    "ordinal with rare ones together": OrdinalEncoder(
        max_categories=2,
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-2,
    ),
    "target means": TargetEncoder(),
}


@pytest.mark.parametrize("step", NUMERIC_STEPS.values(), ids=NUMERIC_STEPS)
def test_a_step_on_numbers_is_exact(step: Any) -> None:
    _, attempts = attempt(step, ONE_HOT, wanted="onnx")
    assert attempts[0].parity is not None
    assert attempts[0].parity.rows["perturbed"] == 10_000


@pytest.mark.parametrize("step", STRING_STEPS.values(), ids=STRING_STEPS)
def test_a_step_on_strings_is_exact(step: Any) -> None:
    _, attempts = attempt(FILL, step, wanted="onnx")
    assert attempts[0].parity is not None
    assert attempts[0].parity.label_mismatches == 0


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (KNNImputer(), "numbers: no exact translation of KNNImputer"),
        (
            make_pipeline(FILL, Doubler()),
            "numbers/doubler: no exact translation of Doubler",
        ),
        (
            make_pipeline(FILL, FunctionTransformer(abs)),
            "numbers/functiontransformer: FunctionTransformer with a custom function (abs)",
        ),
        (
            make_pipeline(FILL, FunctionTransformer(lambda rows: rows * 2)),
            "numbers/functiontransformer: FunctionTransformer with a custom function (a lambda)",
        ),
    ],
    ids=["neighbours", "own-class", "function", "lambda"],
)
def test_what_has_no_exact_translation_falls_back_with_the_reason(step: Any, reason: str) -> None:
    model, attempts = attempt(step, ONE_HOT)
    assert [entry.as_manifest() for entry in attempts] == [
        {"engine": "onnx", "accepted": False, "reason": f"step columntransformer/{reason}"},
        {"engine": "sklearn", "accepted": True, "reason": ""},
    ]
    is_own = "Doubler" in reason or "lambda" in reason
    assert find_custom_code(model) == ([__name__] if is_own else [])


def test_asking_for_onnx_is_refused_with_the_reason() -> None:
    with pytest.raises(RefusedError) as refused:
        attempt(make_pipeline(FILL, Doubler()), ONE_HOT, wanted="onnx")
    assert refused.value.found.endswith("numbers/doubler: no exact translation of Doubler")


def test_an_inexact_engine_is_refused_by_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelctl.packaging.lowering import preprocessing

    # A translation that is wrong by one part in a thousand, as a bug in it could be.
    original = preprocessing.standard_scaler

    def slightly_wrong(graph: Any, step: Any, block: Any) -> Any:
        result = original(graph, step, block)
        return result.replaced(graph.add("Mul", result.name, graph.constant([1.001])))

    from modelctl.packaging.lowering.walk import TRANSFORMS

    monkeypatch.setitem(TRANSFORMS, "StandardScaler", slightly_wrong)
    _, attempts = attempt(FILL, ONE_HOT)
    assert not attempts[0].as_manifest()["accepted"]
    assert "differ" in attempts[0].reason


def test_a_boolean_column_becomes_a_boolean_feature() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "flag": [True, False, True, False]})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, [0, 0, 1, 1])
    contract = infer(model, frame, "y")[0].contract
    assert [feature.dtype for feature in contract.inputs] == ["float", "boolean"]
