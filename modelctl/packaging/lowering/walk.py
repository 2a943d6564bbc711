"""Walks an estimator: pipelines, column transformers, and each step by its class.

`lower` fills the tables, so that meta-estimators can lower their members without importing the
other families.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from modelctl.packaging.lowering.columns import Block, join
from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import scalar

# The outputs of a predictor: `label` (int64 [n], position in its classes), `probability`
# [n, classes], `decision` ([n, 1] for two classes, else [n, classes]), or `value` [n] (regressor).
# Of several targets: `label` and `value` [n, targets], `decision` [n, targets], and `probability`
# with the classes of all of them side by side. Of an anomaly detector: `label` 0 for an outlier or
# 1, `decision` [n, 1]. Of a clusterer: `label` is the cluster.
Outputs = dict[str, str]
Transform = Callable[[Graph, Any, Block], Block]
Predict = Callable[[Graph, Any, Block], Outputs]

TRANSFORMS: dict[str, Transform] = {}
PREDICTORS: dict[str, Predict] = {}


def predict(graph: Graph, estimator: Any, block: Block) -> Outputs:
    """Lower an estimator that predicts: a pipeline's steps, then its last one."""
    if kind(estimator) == "Pipeline":
        for name, step in estimator.steps[:-1]:
            with inside(name):
                block = transform(graph, step, block)
        name, last = estimator.steps[-1]
        with inside(name):
            return predict(graph, last, block)
    inner = unwrapped(estimator)
    if inner is not estimator:
        return predict(graph, inner, block)
    translate = PREDICTORS.get(kind(estimator))
    if translate is None:
        raise CannotLowerError(f"no exact translation of {type(estimator).__name__}")
    return translate(graph, estimator, _checked(graph, kind(estimator), block))


def transform(graph: Graph, step: Any, block: Block) -> Block:
    """Lower one step that turns columns into columns."""
    if isinstance(step, str) or step is None:
        if step in ("passthrough", None):
            return block
        raise CannotLowerError(f"unknown step {step!r}")
    step = unwrapped(step)
    name = kind(step)
    if name == "Pipeline":
        for inner_name, inner in step.steps:
            with inside(inner_name):
                block = transform(graph, inner, block)
        return block
    translate = TRANSFORMS.get(name)
    if translate is None:
        raise CannotLowerError(f"no exact translation of {type(step).__name__}")
    return translate(graph, step, _checked(graph, name, block))


# Steps that look at no value before they pass it on.
UNCHECKED = ("FunctionTransformer", "ColumnTransformer", "FeatureUnion")
# Steps that take NaN, though not infinity; every other one refuses both (sklearn's check_array).
TAKES_NAN = (
    "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer",
    "QuantileTransformer", "SimpleImputer", "MissingIndicator", "OneHotEncoder", "OrdinalEncoder",
    "TargetEncoder", "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier",
    "ExtraTreeRegressor", "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier",
    "ExtraTreesRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor",
    "VotingClassifier", "VotingRegressor", "StackingClassifier", "StackingRegressor",
    "BaggingClassifier", "BaggingRegressor", "CalibratedClassifierCV", "TransformedTargetRegressor",
    "FixedThresholdClassifier", "TunedThresholdClassifierCV", "OneVsRestClassifier",
    "MultiOutputRegressor", "MultiOutputClassifier", "IsolationForest",
)  # fmt: skip


def _checked(graph: Graph, name: str, block: Block) -> Block:
    """Refuse rows with calculated numbers that the step refuses: a logarithm of zero, say."""
    if not block.is_suspect or name in UNCHECKED:
        return block
    axis = graph.integers([1])
    if name in TAKES_NAN:
        infinite = graph.double(graph.add("IsInf", block.name))
        total = graph.add("ReduceSum", infinite, axis, keepdims=1)
        graph.refuse(graph.add("Greater", total, scalar(graph, 0.0)))
        return block
    nothing = graph.add("Mul", block.name, scalar(graph, 0.0))
    total = graph.add("ReduceSum", nothing, axis, keepdims=1)
    graph.refuse(graph.add("IsNaN", total))
    return Block(block.name, block.columns)


# Wrappers that delegate to another estimator, and its attribute.
WRAPPERS = {
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "FrozenEstimator": "estimator",
    "RANSACRegressor": "estimator_",
}


def unwrapped(estimator: Any) -> Any:
    """The estimator that predicts: that of a search or a frozen one; for any other, itself."""
    while kind(estimator) in WRAPPERS and hasattr(estimator, WRAPPERS[kind(estimator)]):
        estimator = getattr(estimator, WRAPPERS[kind(estimator)])
    return estimator


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Add the step's name to a CannotLowerError from within."""
    try:
        yield
    except CannotLowerError as error:
        error.steps.append(name)
        raise


# The libraries whose classes are known by their name alone. No two share a name that is in a table.
LIBRARIES = frozenset({"sklearn", "xgboost", "lightgbm", "catboost"})


def kind(estimator: Any) -> str:
    """The class name of a class of LIBRARIES; for any other class, a name that is in no table.

    A user's subclass may behave differently, so it is never treated as the original.
    """
    owner = type(estimator)
    if owner.__module__.split(".")[0] not in LIBRARIES:
        return f"{owner.__module__}.{owner.__qualname__}"
    return owner.__name__


def column_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """Each transformer on its columns, side by side."""
    weights = step.transformer_weights or {}
    parts = []
    for name, inner, _ in step.transformers_:
        indexes = [int(index) for index in step._transformer_to_input_indices[name]]
        is_dropped = isinstance(inner, str) and inner == "drop"
        if indexes and not is_dropped:
            with inside(name):
                result = transform(graph, inner, block.pick(graph, indexes))
                parts.append(_weighted(graph, result, weights.get(name)))
    if not parts:
        raise CannotLowerError("ColumnTransformer that keeps no column")
    return join(graph, parts)


def feature_union(graph: Graph, step: Any, block: Block) -> Block:
    """Every transformer on all columns, side by side."""
    weights = step.transformer_weights or {}
    parts = []
    for name, inner in step.transformer_list:
        if inner != "drop":
            with inside(name):
                result = transform(graph, inner, block)
                parts.append(_weighted(graph, result, weights.get(name)))
    return join(graph, parts)


def _weighted(graph: Graph, block: Block, weight: float | None) -> Block:
    if weight is None:
        return block
    numbers = block.numbers("transformer_weights")
    return block.replaced(graph.add("Mul", numbers, scalar(graph, weight)))
