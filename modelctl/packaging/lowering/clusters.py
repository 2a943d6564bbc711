"""Clusterers: the nearest of the fitted centers, or the most probable of the fitted Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import best_label, scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def nearest_center(graph: Graph, model: Any, block: Block) -> Outputs:
    """The cluster with the nearest center."""
    centers = getattr(model, "cluster_centers_", None)
    if centers is None or not len(centers):
        raise CannotLowerError(f"{type(model).__name__} without cluster centers")
    return {"label": _nearest(graph, block.numbers(type(model).__name__), centers)}


def birch(graph: Graph, model: Any, block: Block) -> Outputs:
    """The cluster of the nearest subcluster."""
    nearest = _nearest(graph, block.numbers("Birch"), model.subcluster_centers_)
    labels = graph.integers(np.asarray(model.subcluster_labels_))
    return {"label": graph.add("Gather", labels, nearest, axis=0)}


def bisecting(graph: Graph, model: Any, block: Block) -> Outputs:
    """From the root to a leaf, each time to the nearer of two centers."""
    rows = block.numbers("BisectingKMeans")
    shift = getattr(model, "_X_mean", 0.0)

    def descend(node: Any) -> str:
        if node.left is None:
            return graph.integers(int(node.label))
        centers = np.vstack((node.left.center, node.right.center)) + shift
        second = graph.add("Equal", _nearest(graph, rows, centers), graph.integers(1))
        return graph.add("Where", second, descend(node.right), descend(node.left))

    label = descend(model._bisecting_tree)
    # A tree of one leaf is a constant; every row has a label of its own.
    zeros = graph.add("Mul", _nearest(graph, rows, model.cluster_centers_), graph.integers(0))
    return {"label": graph.add("Add", zeros, label)}


def gaussian_mixture(graph: Graph, model: Any, block: Block) -> Outputs:
    """The posterior of every component."""
    return _mixture(graph, model, block, np.zeros(len(model.means_)))


def bayesian_gaussian_mixture(graph: Graph, model: Any, block: Block) -> Outputs:
    """Like a Gaussian mixture, with the expectation of the logarithm of each precision."""
    from scipy.special import digamma

    features = model.means_.shape[1]
    degrees = model.degrees_of_freedom_
    halves = 0.5 * (degrees - np.arange(features)[:, np.newaxis])
    log_lambda = features * np.log(2.0) + np.sum(digamma(halves), axis=0)
    own = 0.5 * (log_lambda - features / model.mean_precision_)
    return _mixture(graph, model, block, own - 0.5 * features * np.log(degrees))


def _nearest(graph: Graph, rows: str, centers: Any) -> str:
    """[n]: the position of the nearest center; the first of equally near ones.

    |x - c|² without |x|², which is the same for every center.
    """
    centers = np.asarray(centers, dtype=np.float64)
    product = graph.add("MatMul", rows, graph.constant(-2.0 * centers.T))
    distance = graph.add("Add", product, graph.constant(np.sum(centers * centers, axis=1)))
    return graph.add("ArgMin", distance, axis=1, keepdims=0)


def _mixture(graph: Graph, model: Any, block: Block, more: NDArray[np.float64]) -> Outputs:
    rows, features = block.numbers(type(model).__name__), model.means_.shape[1]
    constant = (
        model._estimate_log_weights()
        + _log_determinants(model, features)
        - 0.5 * features * np.log(2 * np.pi)
        + more
    )
    half = graph.add("Mul", _distances(graph, model, rows), scalar(graph, -0.5))
    joint = graph.add("Add", half, graph.constant(constant))
    return {"label": best_label(graph, joint), "probability": graph.add("Softmax", joint, axis=1)}


def _distances(graph: Graph, model: Any, rows: str) -> str:
    """[n, components]: the squared Mahalanobis distance to every mean."""
    parts = []
    for at, mean in enumerate(model.means_):
        centered = graph.add("Sub", rows, graph.constant(mean))
        factor = _factor(model, at)
        spread = graph.add(
            "MatMul" if factor.ndim == 2 else "Mul", centered, graph.constant(factor)
        )
        squares = graph.add("Mul", spread, spread)
        parts.append(graph.add("ReduceSum", squares, graph.integers([1]), keepdims=1))
    return graph.concat(parts)


def _factor(model: Any, at: int) -> NDArray[np.float64]:
    """The Cholesky factor of a component's precision: a matrix, a diagonal or a number."""
    factors: NDArray[np.float64] = np.asarray(model.precisions_cholesky_, dtype=np.float64)
    return factors if model.covariance_type == "tied" else np.asarray(factors[at])


def _log_determinants(model: Any, features: int) -> NDArray[np.float64]:
    """The logarithm of the determinant of every factor."""
    logarithms = []
    for at in range(len(model.means_)):
        factor = _factor(model, at)
        diagonal = np.diagonal(factor) if factor.ndim == 2 else np.broadcast_to(factor, features)
        logarithms.append(float(np.sum(np.log(diagonal))))
    return np.array(logarithms)
