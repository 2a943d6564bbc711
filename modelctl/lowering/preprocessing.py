"""Scalers, imputers and encoders: a block of columns in, a block of columns out."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelctl.lowering.columns import Block, Column, is_missing, join, numeric
from modelctl.lowering.graph import CannotLowerError, Graph

# numpy function -> operator; log1p adds one before.
FUNCTIONS = {"log": "Log", "log1p": "Log", "sqrt": "Sqrt", "exp": "Exp", "absolute": "Abs"}


def standard_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """(x - mean) / scale, in scikit-learn's order of operations."""
    result = block.numbers("StandardScaler")
    if step.with_mean:
        result = graph.add("Sub", result, graph.constant(step.mean_))
    if step.with_std:
        result = graph.add("Div", result, graph.constant(step.scale_))
    return block.replaced(result)


def min_max_scaler(graph: Graph, step: Any, block: Block) -> Block:
    """x * scale + min, clipped where asked for."""
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


def simple_imputer(graph: Graph, step: Any, block: Block) -> Block:
    """Where a value is missing, the fitted statistic (onnxruntime has no double Imputer)."""
    if step.add_indicator:
        raise CannotLowerError("SimpleImputer(add_indicator=True)")
    if not is_missing(step.missing_values):
        raise CannotLowerError(f"SimpleImputer(missing_values={step.missing_values!r})")
    columns, fills = [], []
    for column, statistic in zip(block.columns, step.statistics_, strict=True):
        if is_missing(statistic):
            raise CannotLowerError("SimpleImputer on a column without any value")
        if column.categories is not None and statistic not in column.categories:
            column = Column((*column.categories, statistic))
        code = column.code(statistic)
        if code is None:
            raise CannotLowerError(f"SimpleImputer fills numbers with {statistic!r}")
        columns.append(column)
        fills.append(code)
    missing = graph.add("IsNaN", block.name)
    return Block(graph.add("Where", missing, graph.constant(fills), block.name), tuple(columns))


def one_hot_encoder(graph: Graph, step: Any, block: Block) -> Block:
    """One 0/1 column per category that was not dropped; an unknown category is all zeros."""
    if step.min_frequency is not None or step.max_categories is not None:
        raise CannotLowerError("OneHotEncoder that groups infrequent categories")
    if step.drop is not None and step.handle_unknown != "error":
        raise CannotLowerError("OneHotEncoder(drop=..., handle_unknown='ignore')")
    parts = []
    for index, categories in enumerate(step.categories_):
        dropped = None if step.drop_idx_ is None else step.drop_idx_[index]
        kept = [value for at, value in enumerate(categories) if at != dropped]
        single = block.pick(graph, [index])
        if kept:
            parts.append(numeric(_matches(graph, single, kept), len(kept)))
    return join(graph, parts)


def ordinal_encoder(graph: Graph, step: Any, block: Block) -> Block:
    """The position of the category in the fitted order."""
    if step.min_frequency is not None or step.max_categories is not None:
        raise CannotLowerError("OrdinalEncoder that groups infrequent categories")
    parts = []
    for index, categories in enumerate(step.categories_):
        single = block.pick(graph, [index])
        matches = _matches(graph, single, list(categories))
        positions = np.arange(len(categories), dtype=np.float64)
        if len(categories) and is_missing(categories[-1]):
            # NaN times 0 would spread through the product; it is put in place by Where below.
            positions[-1] = 0
        result = graph.add("MatMul", matches, graph.constant(positions.reshape(-1, 1)))
        if step.handle_unknown == "use_encoded_value":
            total = graph.add("ReduceSum", matches, graph.integers([1]), keepdims=1)
            unknown = graph.add("Equal", total, graph.constant(np.float64(0)))
            filler = graph.constant(np.float64(step.unknown_value))
            result = graph.add("Where", unknown, filler, result)
        if len(categories) and is_missing(categories[-1]):
            missing = graph.add("IsNaN", single.name)
            filler = graph.constant(np.float64(step.encoded_missing_value))
            result = graph.add("Where", missing, filler, result)
        parts.append(numeric(result, 1))
    return join(graph, parts)


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


def function_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """Nothing (how a fitted ColumnTransformer passes columns through), or a function of numpy."""
    if step.func is None:
        return block
    operator = FUNCTIONS.get(getattr(step.func, "__name__", ""))
    is_numpy = step.func is getattr(np, getattr(step.func, "__name__", ""), None)
    if operator is None or not is_numpy or step.kw_args:
        raise CannotLowerError("FunctionTransformer with a function of one's own")
    result = block.numbers("FunctionTransformer")
    if step.func is np.log1p:
        result = graph.add("Add", result, graph.constant(np.float64(1)))
    return block.replaced(graph.add(operator, result))


def selector(graph: Graph, step: Any, block: Block) -> Block:
    """The columns that a fitted selector keeps."""
    return block.pick(graph, [int(index) for index in step.get_support(indices=True)])


def _matches(graph: Graph, single: Block, values: list[Any]) -> str:
    """A 0/1 matrix: whether the one column of `single` equals each of the values."""
    column = single.columns[0]
    # A value that the column never holds gets a code that nothing equals.
    codes = []
    for value in values:
        code = -1.0 if is_missing(value) else column.code(value)
        if code is None and column.categories is None:
            raise CannotLowerError("an encoder with strings on a column of numbers")
        codes.append(-1.0 if code is None else code)
    result = graph.double(graph.add("Equal", single.name, graph.constant([codes])))
    flags = [float(is_missing(value)) for value in values]
    if any(flags):
        missing = graph.double(graph.add("IsNaN", single.name))
        result = graph.add("Add", result, graph.add("Mul", missing, graph.constant([flags])))
    return result
