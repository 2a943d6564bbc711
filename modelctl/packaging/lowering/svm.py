"""Support vector machines: kernels against the support vectors, and libsvm's pairwise votes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.coupling import coupled
from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import best_label, positive_label, scalar, vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.walk import Outputs

# libsvm clips pairwise probabilities to [MIN_PROBABILITY, 1 - MIN_PROBABILITY].
MIN_PROBABILITY = 1e-7


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Every pair of classes votes by the sign of its decision value; most votes win."""
    if model.break_ties:
        raise CannotLowerError(f"{type(model).__name__}(break_ties=True)")
    pairs = list(combinations(range(len(model.classes_)), 2))
    weights = _pair_weights(model, pairs)
    product = graph.add("MatMul", _kernel(graph, model, block), graph.constant(weights))
    decision = graph.add("Add", product, graph.constant(model._intercept_))
    wins = graph.double(graph.add("Greater", decision, scalar(graph, 0.0)))
    # A won pair is a vote for its first class, any other for its second.
    first = np.zeros((len(pairs), len(model.classes_)))
    second = np.zeros_like(first)
    for row, (one, other) in enumerate(pairs):
        first[row, one] = 1
        second[row, other] = 1
    votes = graph.add("MatMul", wins, graph.constant(first - second))
    votes = graph.add("Add", votes, graph.constant(second.sum(axis=0)))
    outputs = {"label": best_label(graph, votes)}
    if len(model.classes_) == 2:
        # libsvm counts towards the first class, scikit-learn towards the second.
        outputs["decision"] = graph.add("Neg", decision)
    elif model.decision_function_shape == "ovr":
        outputs["decision"] = _one_vs_rest(graph, decision, first, second)
    else:
        outputs["decision"] = decision
    if model.probability not in (False, "deprecated"):
        outputs["probability"] = coupled(graph, _pairwise(graph, model, decision), pairs)
    return outputs


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """kernel · dual coefficients + intercept."""
    weights = model._dual_coef_.reshape(-1, 1)
    product = graph.add("MatMul", _kernel(graph, model, block), graph.constant(weights))
    return {"value": vector(graph, graph.add("Add", product, graph.constant(model._intercept_)))}


def one_class(graph: Graph, model: Any, block: Block) -> Outputs:
    """An inlier (1) where kernel · dual coefficients + intercept is positive."""
    weights = model._dual_coef_.reshape(-1, 1)
    product = graph.add("MatMul", _kernel(graph, model, block), graph.constant(weights))
    decision = graph.add("Add", product, graph.constant(model._intercept_))
    return {"label": positive_label(graph, decision), "decision": decision}


def _one_vs_rest(
    graph: Graph, decision: str, first: NDArray[np.float64], second: NDArray[np.float64]
) -> str:
    """[n, classes]: the votes, and below one vote the summed decision values as tie-break."""
    won = graph.double(graph.add("GreaterOrEqual", decision, scalar(graph, 0.0)))
    votes = graph.add("MatMul", won, graph.constant(first - second))
    votes = graph.add("Add", votes, graph.constant(second.sum(axis=0)))
    total = graph.add("MatMul", decision, graph.constant(first - second))
    size = graph.add("Add", graph.add("Abs", total), scalar(graph, 1.0))
    part = graph.add("Div", total, graph.add("Mul", size, scalar(graph, 3.0)))
    return graph.add("Add", votes, part)


def _pairwise(graph: Graph, model: Any, decision: str) -> str:
    """[n, pairs]: the probability of each pair's first class, by its fitted logistic function."""
    slopes, shifts = graph.constant([-model._probA]), graph.constant([-model._probB])
    moved = graph.add("Add", graph.add("Mul", decision, slopes), shifts)
    low, high = scalar(graph, MIN_PROBABILITY), scalar(graph, 1 - MIN_PROBABILITY)
    return graph.add("Clip", graph.add("Sigmoid", moved), low, high)


def _pair_weights(model: Any, pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    """[support vectors, pairs]: what each support vector adds to each pair's decision."""
    dual, counts = model._dual_coef_, model._n_support
    ends = np.cumsum(counts)
    parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    weights = np.zeros((dual.shape[1], len(pairs)))
    for at, (one, other) in enumerate(pairs):
        weights[parts[one], at] = dual[other - 1, parts[one]]
        weights[parts[other], at] = dual[one, parts[other]]
    return weights


def _kernel(graph: Graph, model: Any, block: Block) -> str:
    """[n, support vectors]: the kernel of every row with every support vector."""
    rows = block.numbers(type(model).__name__)
    vectors = np.asarray(model.support_vectors_, dtype=np.float64)
    product = graph.add("MatMul", rows, graph.constant(vectors.T))
    if model.kernel == "linear":
        return product
    gamma = float(model._gamma)
    if model.kernel == "rbf":
        # |x - v|² = |x|² - 2 x·v + |v|²: no intermediate of rows x vectors x features.
        square = graph.add("Mul", rows, rows)
        own = graph.add("ReduceSum", square, graph.integers([1]), keepdims=1)
        twice = graph.add("Mul", product, scalar(graph, -2.0))
        norms = graph.constant(np.sum(vectors * vectors, axis=1))
        distance = graph.add("Add", graph.add("Add", own, twice), norms)
        return graph.add("Exp", graph.add("Mul", distance, scalar(graph, -gamma)))
    if model.kernel in ("poly", "sigmoid"):
        scaled = graph.add("Mul", product, scalar(graph, gamma))
        shifted = graph.add("Add", scaled, scalar(graph, model.coef0))
        if model.kernel == "sigmoid":
            return graph.add("Tanh", shifted)
        return graph.add("Pow", shifted, scalar(graph, model.degree))
    raise CannotLowerError(f"{type(model).__name__}(kernel={model.kernel!r})")
