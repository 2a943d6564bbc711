"""Fitted trees -> the TreeEnsemble operator of ai.onnx.ml 5, in double or single precision.

Trees are plain arrays here; `trees` reads them from scikit-learn's estimators, `xgboost_trees`,
`lightgbm_trees` and `catboost_trees` from those libraries' exports.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.graph import Graph

DOMAIN = "ai.onnx.ml"
AGGREGATE_SUM = 1
BRANCH_LEQ = 0
BRANCH_LT = 1


@dataclass(frozen=True)
class TreeArrays:
    """One binary tree by node: x[feature] <= threshold goes left; -1 as left child marks a leaf.

    Trees summed with BRANCH_LT go left for x[feature] < threshold instead.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]

    def with_features(self, columns: NDArray[np.int64]) -> TreeArrays:
        """The same tree on a matrix in which its features are these columns."""
        feature = np.where(self.feature >= 0, columns[self.feature], self.feature)
        return replace(self, feature=feature)

    @property
    def leaves(self) -> NDArray[np.int64]:
        """The node numbers of the leaves, in order."""
        return np.flatnonzero(self.left == -1)


@dataclass(frozen=True)
class WeightedTree:
    """A tree, the target it adds to, and what each leaf adds (in the order of `leaves`)."""

    tree: TreeArrays
    target: int
    weights: NDArray[np.float64]


class _Nodes:
    """The operator's parallel lists while trees are appended to them."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.splits: list[float] = []
        self.missing: list[int] = []
        self.true_ids: list[int] = []
        self.false_ids: list[int] = []
        self.true_leafs: list[int] = []
        self.false_leafs: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []

    def append(self, entry: WeightedTree) -> None:
        tree = entry.tree
        leaf_base, node_base = len(self.targets), len(self.features)
        self.weights.extend(entry.weights.tolist())
        self.targets.extend([entry.target] * len(entry.weights))
        self.roots.append(node_base)
        inner = np.flatnonzero(tree.left != -1)
        if not len(inner):
            # The operator does not support single-leaf trees: both branches lead to the leaf.
            self._node(0, 0.0, False, (leaf_base, 1), (leaf_base, 1))
            return
        # Position of every node among the inner nodes, or among the leaves.
        place = np.zeros(len(tree.left), dtype=np.int64)
        place[inner] = node_base + np.arange(len(inner))
        place[tree.leaves] = leaf_base + np.arange(len(tree.leaves))
        is_leaf = (tree.left == -1).astype(np.int64)
        for node in inner.tolist():
            left, right = int(tree.left[node]), int(tree.right[node])
            self._node(
                int(tree.feature[node]),
                float(tree.threshold[node]),
                bool(tree.missing_left[node]),
                (int(place[left]), int(is_leaf[left])),
                (int(place[right]), int(is_leaf[right])),
            )

    def _node(
        self,
        feature: int,
        split: float,
        missing_left: bool,
        true: tuple[int, int],
        false: tuple[int, int],
    ) -> None:
        self.features.append(feature)
        self.splits.append(split)
        self.missing.append(int(missing_left))
        self.true_ids.append(true[0])
        self.true_leafs.append(true[1])
        self.false_ids.append(false[0])
        self.false_leafs.append(false[1])


def constant_tree(target: int, value: float) -> WeightedTree:
    """A single leaf: what a sum starts from, before the trees that follow."""
    one = np.array([-1], dtype=np.int64)
    tree = TreeArrays(one, one, one, np.zeros(1), np.zeros(1, dtype=bool))
    return WeightedTree(tree, target, np.array([value], dtype=np.float64))


def tree_sums(
    graph: Graph,
    rows: str,
    trees: list[WeightedTree],
    targets: int,
    *,
    mode: int = BRANCH_LEQ,
    dtype: Any = np.float64,
) -> str:
    """[n, targets]: for every target the sum of what its trees' leaves add, in the trees' order.

    `dtype` is that of `rows`, thresholds, leaves and the sum: onnxruntime adds in that precision,
    one tree after the other.
    """
    nodes = _Nodes()
    for entry in trees:
        nodes.append(entry)
    count = len(nodes.features)
    return graph.add(
        "TreeEnsemble",
        rows,
        domain=DOMAIN,
        n_targets=targets,
        aggregate_function=AGGREGATE_SUM,
        post_transform=0,
        tree_roots=nodes.roots,
        nodes_modes=numpy_helper.from_array(np.full(count, mode, dtype=np.uint8)),
        nodes_featureids=nodes.features,
        nodes_splits=numpy_helper.from_array(np.array(nodes.splits, dtype=dtype)),
        nodes_missing_value_tracks_true=nodes.missing,
        nodes_truenodeids=nodes.true_ids,
        nodes_trueleafs=nodes.true_leafs,
        nodes_falsenodeids=nodes.false_ids,
        nodes_falseleafs=nodes.false_leafs,
        leaf_targetids=nodes.targets,
        leaf_weights=numpy_helper.from_array(np.array(nodes.weights, dtype=dtype)),
    )


def leaf_numbers(graph: Graph, rows: str, trees: list[TreeArrays]) -> str:
    """[n, trees]: for every tree the number of the leaf reached, counted over all trees (int64).

    Exact, since integers are exact in double; the leaves' values are looked up afterwards.
    """
    weighted, base = [], 0
    for target, tree in enumerate(trees):
        count = len(tree.leaves)
        weighted.append(WeightedTree(tree, target, np.arange(base, base + count, dtype=np.float64)))
        base += count
    return graph.integer(tree_sums(graph, rows, weighted, len(trees)))
