"""Functions of one value and their inverses: powers, logarithms, and NumPy functions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_array

from modelctl.packaging.lowering.columns import numeric
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.preprocessing import standard_scaler
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph

# ONNX operator by NumPy function.
FUNCTIONS = {
    "log": "Log",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "absolute": "Abs",
    "negative": "Neg",
    "reciprocal": "Reciprocal",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
}


def function_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """The identity (as in a fitted ColumnTransformer's passthrough), or a NumPy function."""
    is_check = isinstance(step.func, functools.partial) and step.func.func is check_array
    if step.func is None or is_check:
        return block
    if step.kw_args:
        raise CannotLowerError("FunctionTransformer(kw_args=...)")
    if any(column.is_whole for column in block.columns):
        raise CannotLowerError("FunctionTransformer on a column of whole numbers")
    result = apply(graph, step.func, block.numbers("FunctionTransformer"))
    return block.replaced(result).suspect()


def apply(graph: Graph, function: Any, values: str) -> str:
    """A NumPy function of every value. Raises CannotLowerError for any other function."""
    name = getattr(function, "__name__", "")
    if function is np.log1p:
        return _log1p(graph, values)
    if function is np.expm1:
        return _expm1(graph, values)
    if function is np.square:
        return graph.add("Mul", values, values)
    for known, operator in (("log10", 10.0), ("log2", 2.0)):
        if function is getattr(np, known):
            return graph.add("Div", graph.add("Log", values), scalar(graph, np.log(operator)))
    if name not in FUNCTIONS or function is not getattr(np, name):
        raise CannotLowerError(
            f"FunctionTransformer with a custom function ({_qualified_name(function)})"
        )
    return graph.add(FUNCTIONS[name], values)


def power_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """Yeo-Johnson or Box-Cox with the fitted exponents, then standardised."""
    rows = block.numbers("PowerTransformer")
    exponents = np.asarray(step.lambdas_, dtype=np.float64)
    if step.method == "box-cox":
        # scikit-learn refuses what is not positive; a missing value stays missing.
        wrong = graph.double(graph.add("LessOrEqual", rows, scalar(graph, 0.0)))
        total = graph.add("ReduceSum", wrong, graph.integers([1]), keepdims=1)
        graph.refuse(graph.add("Greater", total, scalar(graph, 0.0)))
        result = _box_cox(graph, graph.add("Log", rows), exponents)
    else:
        positive = graph.add("GreaterOrEqual", rows, scalar(graph, 0.0))
        zero = scalar(graph, 0.0)
        above = graph.add("Where", positive, rows, zero)
        below = graph.add("Where", positive, zero, graph.add("Neg", rows))
        up = _box_cox(graph, _log1p(graph, above), exponents)
        down = graph.add("Neg", _box_cox(graph, _log1p(graph, below), 2 - exponents))
        result = graph.add("Where", positive, up, down)
    result_block = numeric(result, len(exponents)).suspect()
    return standard_scaler(graph, step._scaler, result_block) if step.standardize else result_block


def inverse(graph: Graph, step: Any, values: str) -> str:
    """[n, targets]: the inverse transform of each target. Raises CannotLowerError."""
    name = type(step).__name__
    if name == "FunctionTransformer":
        if step.inverse_func is None:
            return values
        if step.inv_kw_args:
            raise CannotLowerError("FunctionTransformer(inv_kw_args=...)")
        return apply(graph, step.inverse_func, values)
    if name == "StandardScaler":
        scale = step.scale_ if step.with_std else 1.0
        return _unscaled(graph, values, scale, step.mean_ if step.with_mean else 0.0)
    if name == "RobustScaler":
        scale = step.scale_ if step.with_scaling else 1.0
        return _unscaled(graph, values, scale, step.center_ if step.with_centering else 0.0)
    if name == "MinMaxScaler":
        moved = graph.add("Sub", values, graph.constant(step.min_))
        return graph.add("Div", moved, graph.constant(step.scale_))
    if name == "PowerTransformer" and step.method == "box-cox" and len(step.lambdas_) == 1:
        return _inverse_box_cox(graph, step, values)
    raise CannotLowerError(f"a target transformed by {name}")


def _unscaled(graph: Graph, values: str, scale: Any, shift: Any) -> str:
    scaled = graph.add("Mul", values, graph.constant(np.reshape(scale, -1)))
    return graph.add("Add", scaled, graph.constant(np.reshape(shift, -1)))


def _inverse_box_cox(graph: Graph, step: Any, values: str) -> str:
    if step.standardize:
        values = _unscaled(graph, values, step._scaler.scale_, step._scaler.mean_)
    exponent = float(step.lambdas_[0])
    if exponent == 0:
        return graph.add("Exp", values)
    product = graph.add("Mul", values, scalar(graph, exponent))
    logarithm = graph.add("Div", _log1p(graph, product), scalar(graph, exponent))
    return graph.add("Exp", logarithm)


def _box_cox(graph: Graph, logarithm: str, exponents: NDArray[np.float64]) -> str:
    """(exp(exponent · logarithm) - 1) / exponent, or the logarithm for an exponent of zero."""
    is_zero = np.abs(exponents) < np.finfo(np.float64).eps
    safe = np.where(is_zero, 1.0, exponents)
    grown = _expm1(graph, graph.add("Mul", logarithm, graph.constant(safe)))
    scaled = graph.add("Div", grown, graph.constant(safe))
    if not is_zero.any():
        return scaled
    return graph.add("Where", graph.constant(is_zero, np.bool_), logarithm, scaled)


def _log1p(graph: Graph, values: str) -> str:
    return graph.add("Log", graph.add("Add", values, scalar(graph, 1.0)))


def _expm1(graph: Graph, values: str) -> str:
    return graph.add("Sub", graph.add("Exp", values), scalar(graph, 1.0))


def _qualified_name(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return name.replace("<lambda>", "a lambda")[:100]
