"""Scalers, projections and selections: a block of numbers in, a block of numbers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.columns import Block, numeric
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from modelctl.packaging.lowering.graph import Graph


def standard_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """(x - mean) / scale, in scikit-learn's order of operations."""
    result = block.numbers("StandardScaler")
    if step.with_mean:
        result = graph.add("Sub", result, graph.constant(step.mean_))
    if step.with_std:
        result = graph.add("Div", result, graph.constant(step.scale_))
    return block.replaced(result)


def min_max_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """x * scale + min, clipped if configured."""
    result = block.numbers("MinMaxScaler")
    result = graph.add("Mul", result, graph.constant(step.scale_))
    result = graph.add("Add", result, graph.constant(step.min_))
    if step.clip:
        low, high = (graph.constant(np.float64(bound)) for bound in step.feature_range)
        result = graph.add("Clip", result, low, high)
    return block.replaced(result)


def max_abs_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """x / scale."""
    name = block.numbers("MaxAbsScaler")
    return block.replaced(graph.add("Div", name, graph.constant(step.scale_)))


def robust_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """(x - median) / quantile range."""
    result = block.numbers("RobustScaler")
    if step.with_centering:
        result = graph.add("Sub", result, graph.constant(step.center_))
    if step.with_scaling:
        result = graph.add("Div", result, graph.constant(step.scale_))
    return block.replaced(result)


def polynomial_features(graph: Graph, step: Any, block: Block) -> Block:
    """Products of columns; each is one column of the result."""
    rows = block.numbers("PolynomialFeatures")
    parts = []
    for powers in step.powers_:
        factors = [index for index, power in enumerate(powers) for _ in range(int(power))]
        if not factors:
            first = graph.columns(rows, [0])
            zero = graph.add("Sub", first, first)
            parts.append(graph.add("Add", zero, graph.constant(np.float64(1))))
            continue
        product = graph.columns(rows, [factors[0]])
        for index in factors[1:]:
            product = graph.add("Mul", product, graph.columns(rows, [index]))
        parts.append(product)
    return numeric(graph.concat(parts), len(parts))


def pca(graph: Graph, step: Any, block: Block) -> Block:
    """Projection on the components, less the projected mean."""
    weights = step.components_.T
    result = graph.add("MatMul", block.numbers("PCA"), graph.constant(weights))
    result = graph.add("Sub", result, graph.constant(step.mean_ @ weights))
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        scale[scale < np.finfo(scale.dtype).eps] = np.finfo(scale.dtype).eps
        result = graph.add("Div", result, graph.constant(scale))
    return numeric(result, weights.shape[1])


def truncated_svd(graph: Graph, step: Any, block: Block) -> Block:
    """Projection on the components."""
    weights = step.components_.T
    result = graph.add("MatMul", block.numbers("TruncatedSVD"), graph.constant(weights))
    return numeric(result, weights.shape[1])


def binarizer(graph: Graph, step: Any, block: Block) -> Block:
    """1 where the value is above the threshold, else 0."""
    above = graph.add("Greater", block.numbers("Binarizer"), scalar(graph, step.threshold))
    return block.replaced(graph.double(above))


def normalizer(graph: Graph, step: Any, block: Block) -> Block:
    """Every row divided by its length; a row of zeros stays as it is."""
    rows = block.numbers("Normalizer")
    size = graph.add("Abs", rows)
    axis = graph.integers([1])
    if step.norm == "l1":
        length = graph.add("ReduceSum", size, axis, keepdims=1)
    elif step.norm == "l2":
        squares = graph.add("ReduceSum", graph.add("Mul", rows, rows), axis, keepdims=1)
        length = graph.add("Sqrt", squares)
    elif step.norm == "max":
        length = graph.add("ReduceMax", size, axis, keepdims=1)
    else:
        raise CannotLowerError(f"Normalizer(norm={step.norm!r})")
    empty = graph.add("Equal", length, scalar(graph, 0.0))
    return block.replaced(
        graph.add("Div", rows, graph.add("Where", empty, scalar(graph, 1.0), length))
    )


def selector(graph: Graph, step: Any, block: Block) -> Block:
    """The columns that a fitted selector keeps."""
    return block.pick(graph, [int(index) for index in step.get_support(indices=True)])
