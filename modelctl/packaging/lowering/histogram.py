"""Histogram gradient boosting: trees in float64 with missing values and categorical splits.

A split by a set of categories becomes an additional column, looked up by the category: 0 goes left,
1 goes right, and missing or unknown categories go where the tree sends missing values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering import walk
from modelctl.packaging.lowering.ensemble import TreeArrays, WeightedTree, tree_sums
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph


def raw(graph: Graph, model: Any, block: Block) -> str:
    """[n, 1 or classes]: the raw prediction."""
    if model._preprocessor is not None:
        # Categories to positions, and the categorical features first.
        block = walk.transform(graph, model._preprocessor, block)
    sets = _CategorySets(model, len(block.columns))
    trees = [
        WeightedTree(_tree(predictor, sets), target, _leaves(predictor))
        for stage in model._predictors
        for target, predictor in enumerate(stage)
    ]
    rows = sets.appended(graph, block.numbers(type(model).__name__))
    start = np.ravel(model._baseline_prediction)
    total = tree_sums(graph, rows, trees, len(start))
    return graph.add("Add", total, graph.constant(start))


def split_points(model: Any) -> tuple[list[int], list[float]]:
    """Every (feature as fitted, threshold) of the splits by number."""
    order = np.arange(model.n_features_in_)
    if model._preprocessor is not None:
        # The trees see the categorical features first.
        order = np.argsort(~np.asarray(model.is_categorical_), kind="stable")
    features: list[int] = []
    thresholds: list[float] = []
    for predictor in (entry for stage in model._predictors for entry in stage):
        nodes = predictor.nodes
        by_number = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        features.extend(order[by_number["feature_idx"]].tolist())
        thresholds.extend(by_number["num_threshold"].tolist())
    return features, thresholds


def _tree(predictor: Any, sets: _CategorySets) -> TreeArrays:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    feature = nodes["feature_idx"].astype(np.int64)
    threshold = nodes["num_threshold"].astype(np.float64)
    for node in np.flatnonzero(~leaf & nodes["is_categorical"].astype(bool)):
        left = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        feature[node] = sets.column(int(feature[node]), left)
        threshold[node] = 0.5
    return TreeArrays(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=feature,
        threshold=threshold,
        missing_left=nodes["missing_go_to_left"].astype(bool),
    )


def _leaves(predictor: Any) -> NDArray[np.float64]:
    nodes = predictor.nodes
    values: NDArray[np.float64] = nodes["value"][nodes["is_leaf"].astype(bool)]
    return values


class _CategorySets:
    """The sets of categories used by splits, each an additional column after the features."""

    def __init__(self, model: Any, width: int) -> None:
        self._width = width
        self._columns: dict[tuple[int, bytes], int] = {}
        self._known: dict[int, NDArray[np.bool_]] = {}
        if model.is_categorical_ is not None and np.any(model.is_categorical_):
            known, places = model._bin_mapper.make_known_categories_bitsets()
            for feature in np.flatnonzero(model._is_categorical_remapped):
                self._known[int(feature)] = _bits(known[places[feature]])

    def column(self, feature: int, left: NDArray[np.uint32]) -> int:
        """The index of the column for a set of categories; equal sets share one."""
        key = (feature, left.tobytes())
        return self._columns.setdefault(key, self._width + len(self._columns))

    def appended(self, graph: Graph, rows: str) -> str:
        """The features, followed by every requested column."""
        by_feature: dict[int, list[bytes]] = {}
        for feature, left in self._columns:
            by_feature.setdefault(feature, []).append(left)
        parts, order = [rows], list(range(self._width))
        for feature, sets in by_feature.items():
            parts.append(_looked_up(graph, rows, feature, self._known[feature], sets))
            order += [self._columns[feature, left] for left in sets]
        joined = graph.concat(parts)
        return (
            joined if order == sorted(order) else graph.columns(joined, np.argsort(order).tolist())
        )


def _looked_up(
    graph: Graph, rows: str, feature: int, known: NDArray[np.bool_], sets: list[bytes]
) -> str:
    """[n, sets]: 0, 1 or missing for the category in each row."""
    count = int(np.flatnonzero(known).max(initial=-1)) + 1
    # One more row: a missing value.
    table = np.full((count + 1, len(sets)), np.nan)
    for at, left in enumerate(sets):
        goes_left = _bits(np.frombuffer(left, dtype=np.uint32))
        table[:count, at] = np.where(goes_left, 0.0, np.where(known, 1.0, np.nan))[:count]
    values = graph.columns(rows, [feature])
    missing = graph.add("IsNaN", values)
    codes = graph.add("Where", missing, scalar(graph, float(count)), values)
    index = graph.add("Reshape", graph.integer(codes), graph.integers([-1]))
    return graph.add("Gather", graph.constant(table), index, axis=0)


def _bits(words: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """256 flags of a bitset."""
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little").astype(bool)
