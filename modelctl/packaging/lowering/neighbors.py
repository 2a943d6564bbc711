"""k-nearest neighbors: all distances, the k smallest, and the mean of their targets.

Exact except for ties at the k-th place: which of several equally distant training rows scikit-learn
takes depends on its search tree. The parity gate asks rows with such ties (`ties.tie_rows`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import best_label, best_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.walk import Outputs

# Every prediction compares with all training rows; beyond this size a tree search is faster, and a
# request of a hundred rows would hold more than 16 MB for every step of the calculation.
MAX_VALUES = 2_000_000
MAX_ROWS = 20_000


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The share of each class among the k nearest."""
    if model.outputs_2d_:
        counts = [len(classes) for classes in model.classes_]
        shares = np.hstack(
            [np.eye(count)[codes] for count, codes in zip(counts, model._y.T, strict=True)]
        )
        probability = _mean_of_nearest(graph, model, block, shares)
        return {"label": best_labels(graph, probability, counts), "probability": probability}
    shares = np.eye(len(model.classes_))[np.ravel(model._y)]
    probability = _mean_of_nearest(graph, model, block, shares)
    return {"label": best_label(graph, probability), "probability": probability}


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the k nearest, of one target or of several."""
    values = np.asarray(model._y, dtype=np.float64)
    # Of a single target [n], as every other regressor has it.
    values = values.ravel() if values.shape[1:] == (1,) else values
    return {"value": _mean_of_nearest(graph, model, block, values)}


def _mean_of_nearest(graph: Graph, model: Any, block: Block, meaning: NDArray[np.float64]) -> str:
    name = type(model).__name__
    if model.weights not in ("uniform", "distance", None):
        raise CannotLowerError(f"{name} with a custom weight function")
    if model._fit_X.size > MAX_VALUES or len(model._fit_X) > MAX_ROWS:
        raise CannotLowerError(f"{name} with {model._fit_X.shape[0]:,} training rows")
    distances = _distances(graph, model, block.numbers(name))
    values, nearest = graph.smallest_with_values(distances, model.n_neighbors)
    targets = graph.add("Gather", graph.constant(meaning), nearest, axis=0)
    axis = graph.integers([1])
    if model.weights != "distance":
        total = graph.add("ReduceSum", targets, axis, keepdims=0)
        return graph.add("Div", total, graph.constant(np.float64(model.n_neighbors)))
    if model.effective_metric_ == "euclidean":
        values = graph.add("Sqrt", values)
    weights = _closeness(graph, values)
    total = graph.add("ReduceSum", weights, axis, keepdims=0 if meaning.ndim == 1 else 1)
    if meaning.ndim > 1:
        weights = graph.add("Unsqueeze", weights, graph.integers([2]))
    weighted = graph.add("ReduceSum", graph.add("Mul", targets, weights), axis, keepdims=0)
    return graph.add("Div", weighted, total)


def _closeness(graph: Graph, distances: str) -> str:
    """1 / distance; if some neighbors have distance 0, only those count."""
    zero, one = graph.constant(np.float64(0)), graph.constant(np.float64(1))
    same = graph.double(graph.add("Equal", distances, zero))
    has_same = graph.add("ReduceMax", same, graph.integers([1]), keepdims=1)
    safe = graph.add("Add", distances, same)
    return graph.add(
        "Where", graph.add("Greater", has_same, zero), same, graph.add("Div", one, safe)
    )


def _distances(graph: Graph, model: Any, rows: str) -> str:
    """[n, training rows], added up feature by feature as scikit-learn's trees do.

    Euclidean distances are left squared: the order is the same.
    """
    metric = model.effective_metric_
    if metric not in ("euclidean", "manhattan", "chebyshev"):
        raise CannotLowerError(f"{type(model).__name__}(metric={metric!r})")
    total = ""
    for feature, values in enumerate(np.asarray(model._fit_X, dtype=np.float64).T):
        part = graph.add("Sub", graph.columns(rows, [feature]), graph.constant([values]))
        part = graph.add("Mul", part, part) if metric == "euclidean" else graph.add("Abs", part)
        combine = "Max" if metric == "chebyshev" else "Add"
        total = graph.add(combine, total, part) if total else part
    return total
