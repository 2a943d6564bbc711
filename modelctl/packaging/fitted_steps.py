"""What the fitted steps of an estimator say about each of its features.

A sample shows some of the values that a pipeline accepts; its steps know: the categories that
encoders were fitted on, what is imputed, what reads texts. The walk follows every feature through
pipelines, column transformers and wrappers to the steps that read it. It proposes; what the
estimator really accepts is asked of the estimator (`probes`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from modelctl.packaging.column_types import is_absent
from modelctl.packaging.lowering.columns import is_missing
from modelctl.packaging.lowering.walk import kind, unwrapped

ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
IMPUTERS = ("SimpleImputer", "KNNImputer", "IterativeImputer")
# Each column of the result comes from the column in the same place, and NaN stays NaN.
BY_COLUMN = (
    "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer",
    "QuantileTransformer", "Binarizer", "SplineTransformer", "KBinsDiscretizer",
)  # fmt: skip
NATIVE_MISSING = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
# Libraries whose trees send missing values one way or the other.
BOOSTERS = ("xgboost", "lightgbm", "catboost")
# Attributes of fitted meta-estimators that hold what was fitted on the same columns.
MEMBERS = ("estimators_", "estimator_", "regressor_", "classifier_", "calibrated_classifiers_")


@dataclass
class Use:
    """How the steps use one feature.

    `categories`: what encoders that read the feature itself were fitted on, in their order.
    `encoder`, `imputer`, `vectorizer`: the first such step's class. `is_text`: a vectorizer reads
    the feature alone, not what another step made of it and others. `custom`: a step of unknown
    behaviour reads it. `none`: an imputer that takes None, and not NaN, for a missing value.
    """

    categories: list[Any] = field(default_factory=list)
    encoder: str = ""
    imputer: str = ""
    vectorizer: str = ""
    custom: str = ""
    none: str = ""
    is_text: bool = False
    is_read: bool = False

    @property
    def saw_missing(self) -> bool:
        """Whether an encoder was fitted on missing values."""
        return any(is_missing(value) for value in self.categories)

    @property
    def texts(self) -> list[str]:
        """The categories that are strings."""
        return [value for value in self.categories if isinstance(value, str)]


@dataclass(frozen=True)
class _Column:
    """A column on its way: the features it comes from, and whether it still has their values."""

    origins: frozenset[int]
    is_raw: bool


def uses_of(estimator: Any, names: list[str]) -> list[Use]:
    """One `Use` for each feature; `names` in the order of the fitted columns."""
    walk = _Walk(names)
    walk.step(estimator, [_Column(frozenset([at]), True) for at in range(len(names))])
    return walk.uses


class _Walk:
    def __init__(self, names: list[str]) -> None:
        self._places = {name: at for at, name in enumerate(names)}
        self.uses = [Use() for _ in names]

    def step(self, estimator: Any, columns: list[_Column]) -> list[_Column]:
        """Note what a step reads; returns the columns that it passes on."""
        if estimator is None or isinstance(estimator, str):
            return [] if estimator == "drop" else columns
        estimator = unwrapped(estimator)
        name = _name(estimator)
        if name == "Pipeline":
            for _, inner in estimator.steps:
                columns = self.step(inner, columns)
            return columns
        columns = self._named(estimator, columns)
        if name == "ColumnTransformer":
            return self._by_transformer(estimator, columns)
        if name == "FeatureUnion":
            parts = [self.step(inner, columns) for _, inner in estimator.transformer_list]
            return [column for part in parts for column in part]
        members = _members(estimator)
        if members:
            if getattr(estimator, "passthrough", False):
                # The final estimator of a stack reads every column beside its members' answers.
                self._read(columns)
            return self._meta(members, columns)
        self._read(columns)
        return self._transformer(estimator, name, columns)

    def _read(self, columns: list[_Column]) -> None:
        for column in columns:
            for at in column.origins:
                self.uses[at].is_read = True

    def _meta(
        self, members: list[tuple[Any, list[int] | None]], columns: list[_Column]
    ) -> list[_Column]:
        """What the members read, each of its columns."""
        for member, chosen in members:
            is_known = chosen is not None and max(chosen, default=0) < len(columns)
            self.step(member, [columns[at] for at in chosen or ()] if is_known else columns)
        return _mixed(columns)

    def _transformer(self, estimator: Any, name: str, columns: list[_Column]) -> list[_Column]:
        if name in ENCODERS:
            return self._encoder(estimator, name, columns)
        if name in IMPUTERS:
            return self._imputer(estimator, name, columns)
        if name in BY_COLUMN:
            return [_Column(column.origins, False) for column in columns]
        if name == "FunctionTransformer":
            return self._function(estimator, columns)
        if _is_vectorizer(estimator):
            self._note(columns, "vectorizer", name)
            for column in columns:
                if len(column.origins) == 1:
                    self.uses[min(column.origins)].is_text = True
            return _mixed(columns)
        if hasattr(estimator, "get_support"):
            kept = [int(at) for at in estimator.get_support(indices=True)]
            return [columns[at] for at in kept if at < len(columns)]
        return self._other(estimator, name, columns)

    def _other(self, estimator: Any, name: str, columns: list[_Column]) -> list[_Column]:
        root = type(estimator).__module__.split(".")[0]
        if name in NATIVE_MISSING or root in BOOSTERS or "Imputer" in type(estimator).__name__:
            self._note(columns, "imputer", name)
        if getattr(estimator, "_preprocessor", None) is not None:
            # Hist gradient boosting has a column transformer of its own.
            self._by_transformer(estimator._preprocessor, columns)
        if root not in ("sklearn", *BOOSTERS):
            self._note(columns, "custom", type(estimator).__qualname__)
        return _mixed(columns)

    def _by_transformer(self, estimator: Any, columns: list[_Column]) -> list[_Column]:
        passed: list[_Column] = []
        for name, inner, _ in estimator.transformers_:
            indexes = [int(at) for at in estimator._transformer_to_input_indices[name]]
            if isinstance(inner, str) and inner == "drop":
                continue
            picked = [columns[at] for at in indexes if at < len(columns)]
            self._read(picked)
            passed += self.step(inner, picked)
        return passed

    def _encoder(self, estimator: Any, name: str, columns: list[_Column]) -> list[_Column]:
        for column, categories in zip(columns, estimator.categories_, strict=False):
            if not column.is_raw:
                continue
            for at in column.origins:
                use = self.uses[at]
                use.encoder = use.encoder or name
                known = set(map(_key, use.categories))
                use.categories += [v for v in categories.tolist() if _key(v) not in known]
        return _mixed(columns)

    def _imputer(self, estimator: Any, name: str, columns: list[_Column]) -> list[_Column]:
        if is_absent(estimator.missing_values):
            self._note(columns, "imputer", name)
        if estimator.missing_values is None:
            self._note(columns, "none", name)
        statistics = getattr(estimator, "statistics_", None)
        if name != "SimpleImputer" or statistics is None or len(statistics) != len(columns):
            return [_Column(column.origins, False) for column in columns]
        pairs = zip(columns, statistics, strict=True)
        return [column for column, value in pairs if not is_missing(value)]

    def _function(self, estimator: Any, columns: list[_Column]) -> list[_Column]:
        function = estimator.func
        is_check = isinstance(function, functools.partial) and function.func is check_array
        if function is None or is_check:
            return columns
        if isinstance(function, np.ufunc) and _gives_fractions(function):
            return [_Column(column.origins, False) for column in columns]
        self._note(columns, "custom", "FunctionTransformer")
        return _mixed(columns)

    def _named(self, estimator: Any, columns: list[_Column]) -> list[_Column]:
        """The columns that a step was fitted on, found by name or place behind a custom step."""
        if not (len(columns) == 1 and len(columns[0].origins) > 1):
            return columns
        bag = columns[0]
        names = getattr(estimator, "feature_names_in_", None)
        if names is not None:
            places = [self._places.get(str(name)) for name in names]
            return [
                bag if at is None or at not in bag.origins else _Column(frozenset([at]), True)
                for at in places
            ]
        width = int(getattr(estimator, "n_features_in_", 0) or 0)
        if width == len(self.uses) and any(self.uses[at].custom for at in bag.origins):
            return [_Column(frozenset([at]), True) for at in range(width)]
        return [bag] * width or columns

    def _note(self, columns: list[_Column], what: str, name: str) -> None:
        for column in columns:
            for at in column.origins:
                use = self.uses[at]
                setattr(use, what, getattr(use, what) or name)


def _gives_fractions(function: np.ufunc) -> bool:
    """Whether whole numbers and fractions are the same to it: np.reciprocal(2) is 0."""
    try:
        return bool(np.asarray(function(np.array([7]))).dtype.kind == "f")
    except (TypeError, ValueError):
        return False


def _mixed(columns: list[_Column]) -> list[_Column]:
    """One column that stands for all that come out of a step which mixes its input."""
    return [_Column(frozenset().union(*(column.origins for column in columns)), False)]


def _members(estimator: Any) -> list[tuple[Any, list[int] | None]]:
    """The fitted estimators inside a meta-estimator, each with its columns (None: all)."""
    chosen = getattr(estimator, "estimators_features_", None)
    found: list[tuple[Any, list[int] | None]] = []
    for attribute in MEMBERS:
        value = getattr(estimator, attribute, None)
        if value is None or isinstance(value, np.ndarray | str):
            continue
        for at, member in enumerate(value if isinstance(value, list | tuple) else [value]):
            inner = getattr(member, "estimator", member) if "calibrated" in attribute else member
            if isinstance(inner, str) or not hasattr(inner, "get_params"):
                continue
            columns = None if chosen is None else [int(index) for index in chosen[at]]
            found.append((inner, columns))
    return found


def _name(estimator: Any) -> str:
    """The class name of a scikit-learn class; that of its kind for other pipelines."""
    name = kind(estimator)
    if "." in name and hasattr(estimator, "steps") and hasattr(estimator, "named_steps"):
        return "Pipeline"
    if "." in name and hasattr(estimator, "_transformer_to_input_indices"):
        return "ColumnTransformer"
    return name


def _is_vectorizer(estimator: Any) -> bool:
    """Whether it reads texts, as scikit-learn's vectorizers do."""
    return callable(getattr(estimator, "build_analyzer", None))


def _key(value: Any) -> Any:
    return "missing" if is_missing(value) else (type(value) is str, value)
