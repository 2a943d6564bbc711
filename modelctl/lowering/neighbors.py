"""k nearest neighbours: all distances, the k smallest, and the mean of what they stand for.

Exact but for rows that are equally far from several training rows at the k-th place: which of
those scikit-learn takes depends on its search tree. The gate sees it on the user's own data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.lowering.graph import CannotLowerError, Graph
from modelctl.lowering.scores import best_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.lowering.columns import Block
    from modelctl.lowering.walk import Outputs

# Every predict compares with all training rows: beyond this the tree search is faster.
MAX_VALUES = 2_000_000


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The share of each class among the k nearest."""
    if model.outputs_2d_:
        raise CannotLowerError("KNeighborsClassifier with several targets")
    shares = np.eye(len(model.classes_))[np.ravel(model._y)]
    probability = _mean_of_nearest(graph, model, block, shares)
    return {"label": best_label(graph, probability), "probability": probability}


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the k nearest."""
    if np.ndim(model._y) != 1:
        raise CannotLowerError("KNeighborsRegressor with several targets")
    values = np.asarray(model._y, dtype=np.float64)
    return {"value": _mean_of_nearest(graph, model, block, values)}


def _mean_of_nearest(graph: Graph, model: Any, block: Block, meaning: NDArray[np.float64]) -> str:
    name = type(model).__name__
    if model.weights != "uniform":
        raise CannotLowerError(f"{name}(weights={model.weights!r})")
    if model.effective_metric_ != "euclidean":
        raise CannotLowerError(f"{name}(metric={model.effective_metric_!r})")
    if model._fit_X.size > MAX_VALUES:
        raise CannotLowerError(f"{name} with {model._fit_X.shape[0]:,} training rows")
    distances = _squared_distances(graph, block.numbers(name), model._fit_X)
    nearest = graph.smallest(distances, model.n_neighbors)
    found = graph.add("Gather", graph.constant(meaning), nearest, axis=0)
    total = graph.add("ReduceSum", found, graph.integers([1]), keepdims=0)
    return graph.add("Div", total, graph.constant(np.float64(model.n_neighbors)))


def _squared_distances(graph: Graph, rows: str, known: Any) -> str:
    """[n, training rows], added up feature by feature as scikit-learn's trees do."""
    total = ""
    for feature, values in enumerate(np.asarray(known, dtype=np.float64).T):
        difference = graph.add("Sub", graph.columns(rows, [feature]), graph.constant([values]))
        square = graph.add("Mul", difference, difference)
        total = graph.add("Add", total, square) if total else square
    return total
