"""Anomaly detectors: a score per row, and by its sign an inlier (1) or an outlier (0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.ensemble import WeightedTree, tree_sums
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import affine, scalar, vector
from modelctl.packaging.lowering.trees import tree_arrays

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def isolation_forest(graph: Graph, model: Any, block: Block) -> Outputs:
    """-2 ** (-mean depth / expected depth) - offset (Liu, Ting and Zhou, 2008).

    The depth of a leaf counts its training rows as if they were split further.
    """
    from sklearn.ensemble._iforest import _average_path_length

    rows = graph.through_float32(block.numbers("IsolationForest"))
    every = model._max_features == model.n_features_in_
    trees = []
    for at, member in enumerate(model.estimators_):
        tree = tree_arrays(member.tree_)
        if not every:
            features = np.asarray(model.estimators_features_[at], dtype=np.int64)
            tree = tree.with_features(features)
        depths = model._decision_path_lengths[at] + model._average_path_length_per_tree[at] - 1.0
        trees.append(WeightedTree(tree, 0, np.asarray(depths, dtype=np.float64)[tree.leaves]))
    total = tree_sums(graph, rows, trees, 1)
    expected = float(len(model.estimators_) * _average_path_length([model._max_samples])[0])
    if not expected:
        raise CannotLowerError("IsolationForest fitted on samples of one row")
    share = graph.add("Neg", graph.add("Div", total, scalar(graph, expected)))
    score = graph.add("Neg", graph.add("Pow", scalar(graph, 2.0), share))
    return _judged(graph, graph.add("Sub", score, scalar(graph, float(model.offset_))))


def linear_one_class(graph: Graph, model: Any, block: Block) -> Outputs:
    """x · coef - offset."""
    weights = np.reshape(model.coef_, (-1, 1))
    return _judged(graph, affine(graph, block, weights, -np.ravel(model.offset_), "SGDOneClassSVM"))


def elliptic_envelope(graph: Graph, model: Any, block: Block) -> Outputs:
    """-(squared Mahalanobis distance) - offset."""
    rows = graph.add("Sub", block.numbers("EllipticEnvelope"), graph.constant(model.location_))
    product = graph.add("MatMul", rows, graph.constant(model.get_precision()))
    products = graph.add("Mul", product, rows)
    distance = graph.add("ReduceSum", products, graph.integers([1]), keepdims=1)
    negative = graph.add("Neg", distance)
    return _judged(graph, graph.add("Sub", negative, scalar(graph, float(model.offset_))))


def _judged(graph: Graph, decision: str) -> Outputs:
    inlier = graph.add("GreaterOrEqual", vector(graph, decision), scalar(graph, 0.0))
    return {"label": graph.integer(inlier), "decision": decision}
