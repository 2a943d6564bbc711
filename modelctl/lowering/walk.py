"""Walks an estimator: pipelines, column transformers, and each step by its class.

The tables are filled by `lower`, so that a family whose members are estimators themselves can walk
into them without knowing the other families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelctl.lowering.columns import Block, join
from modelctl.lowering.graph import CannotLowerError, Graph

# What a predictor gives: `label` (int64 [n], position in its classes), `probability` [n, classes],
# `decision` ([n, 1] for two classes, else [n, classes]), or `value` [n] of a regressor.
Outputs = dict[str, str]
Transform = Callable[[Graph, Any, Block], Block]
Predict = Callable[[Graph, Any, Block], Outputs]

TRANSFORMS: dict[str, Transform] = {}
PREDICTORS: dict[str, Predict] = {}


def predict(graph: Graph, estimator: Any, block: Block) -> Outputs:
    """Lower an estimator that predicts: a pipeline's steps, then its last one."""
    if kind(estimator) == "Pipeline":
        for _, step in estimator.steps[:-1]:
            block = transform(graph, step, block)
        return predict(graph, estimator.steps[-1][1], block)
    translate = PREDICTORS.get(kind(estimator))
    if translate is None:
        raise CannotLowerError(f"no exact translation of {type(estimator).__name__}")
    return translate(graph, estimator, block)


def transform(graph: Graph, step: Any, block: Block) -> Block:
    """Lower one step that turns columns into columns."""
    if isinstance(step, str) or step is None:
        if step in ("passthrough", None):
            return block
        raise CannotLowerError(f"a step called {step!r}")
    name = kind(step)
    if name == "Pipeline":
        for _, inner in step.steps:
            block = transform(graph, inner, block)
        return block
    translate = TRANSFORMS.get(name)
    if translate is None:
        raise CannotLowerError(f"no exact translation of {type(step).__name__}")
    return translate(graph, step, block)


def kind(estimator: Any) -> str:
    """The class name of a scikit-learn class; for any other class a name that no table has.

    A user's subclass may behave differently, so it is never taken for the original.
    """
    owner = type(estimator)
    if owner.__module__.split(".")[0] != "sklearn":
        return f"{owner.__module__}.{owner.__qualname__}"
    return owner.__name__


def column_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """Each inner step over its columns, side by side."""
    if step.transformer_weights:
        raise CannotLowerError("ColumnTransformer(transformer_weights=...)")
    parts = []
    for name, inner, _ in step.transformers_:
        indexes = [int(index) for index in step._transformer_to_input_indices[name]]
        dropped = isinstance(inner, str) and inner == "drop"
        if indexes and not dropped:
            parts.append(transform(graph, inner, block.pick(graph, indexes)))
    if not parts:
        raise CannotLowerError("ColumnTransformer that keeps no column")
    return join(graph, parts)


def feature_union(graph: Graph, step: Any, block: Block) -> Block:
    """Every step over all columns, side by side."""
    if step.transformer_weights:
        raise CannotLowerError("FeatureUnion(transformer_weights=...)")
    kept = [inner for _, inner in step.transformer_list if inner != "drop"]
    return join(graph, [transform(graph, inner, block) for inner in kept])
