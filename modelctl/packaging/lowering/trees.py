"""scikit-learn's tree families: single trees, forests, gradient boosting, hist gradient boosting.

Each reads the fitted trees as arrays and reproduces the family's arithmetic around them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering import catboost_trees, histogram, lightgbm_trees, xgboost_trees
from modelctl.packaging.lowering.ensemble import TreeArrays, WeightedTree, leaf_numbers, tree_sums
from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import (
    best_label,
    best_labels,
    positive_label,
    vector,
    with_complement,
)
from modelctl.packaging.lowering.walk import kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.walk import Outputs

# Classes of other libraries: the module that reads them, and the float type of their comparisons.
BOOSTERS: dict[str, tuple[ModuleType, type]] = {
    **dict.fromkeys(
        ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"),
        (xgboost_trees, np.float32),
    ),
    **dict.fromkeys(
        ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"), (lightgbm_trees, np.float64)
    ),
    **dict.fromkeys(
        ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"),
        (catboost_trees, np.float32),
    ),
}
# Their members each see all columns.
OF_MEMBERS = (
    *("MultiOutputRegressor", "MultiOutputClassifier", "RegressorChain", "ClassifierChain"),
    "OneVsRestClassifier",
)


def tree_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """A decision tree or a forest: the mean of the class shares in the leaves reached."""
    counts = [int(count) for count in np.ravel(model.n_classes_)]
    probability = _mean_of_leaves(
        graph,
        model,
        block,
        # The classes of several targets side by side, without the padding of those with fewer.
        lambda values: np.hstack([values[:, at, :count] for at, count in enumerate(counts)]),
    )
    if model.n_outputs_ > 1:
        return {"label": best_labels(graph, probability, counts), "probability": probability}
    return {"label": best_label(graph, probability), "probability": probability}


def tree_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """A decision tree or a forest: the mean of the leaves reached."""
    members = _members(model)
    if model.n_outputs_ > 1:
        return {"value": _mean_of_leaves(graph, model, block, lambda values: values[:, :, 0])}
    rows = graph.through_float32(block.numbers(type(model).__name__))
    trees = []
    for member in members:
        tree = tree_arrays(member.tree_)
        trees.append(WeightedTree(tree, 0, member.tree_.value[tree.leaves, 0, 0]))
    total = tree_sums(graph, rows, trees, 1)
    mean = graph.add("Div", total, graph.constant(np.float64(len(members))))
    return {"value": vector(graph, mean)}


def gradient_boosting_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Start value + learning rate · sum of trees, through the logistic function or softmax."""
    if model.loss != "log_loss":
        raise CannotLowerError(f"GradientBoostingClassifier(loss={model.loss!r})")
    raw = _boosted(graph, model, block)
    outputs = _classify(graph, model, raw)
    if len(model.classes_) == 2:
        # Only this family assigns the second class to a raw value of exactly zero.
        at_least = graph.add("GreaterOrEqual", vector(graph, raw), graph.constant(np.float64(0)))
        outputs["label"] = graph.integer(at_least)
    return outputs


def gradient_boosting_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """Start value + learning rate · sum of trees."""
    return {"value": vector(graph, _boosted(graph, model, block))}


def hist_boosting_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Like gradient boosting, but trees compare in float64 and support missing values."""
    return _classify(graph, model, histogram.raw(graph, model, block))


def hist_boosting_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The raw sum for losses with an identity link; its exponential for a logarithmic link."""
    raw = vector(graph, histogram.raw(graph, model, block))
    if model.loss in ("poisson", "gamma"):
        return {"value": graph.add("Exp", raw)}
    return {"value": raw}


def split_points(model: Any) -> tuple[list[int], list[float], type] | None:
    """Every (feature, threshold) of a tree model, and the float type of its comparisons.

    None for a model without trees.
    """
    library = BOOSTERS.get(kind(model))
    if library is not None:
        module, float_type = library
        return *module.split_points(model), float_type
    if type(model).__name__ in OF_MEMBERS:
        return _members_split_points(model)
    if hasattr(model, "_predictors"):
        return *histogram.split_points(model), np.float64
    # Gradient boosting keeps an array of trees per stage.
    stages = [m if isinstance(m, np.ndarray) else [m] for m in _members(model)]
    members = [member for stage in stages for member in stage if hasattr(member, "tree_")]
    if not members:
        return None
    trees = [member.tree_ for member in members]
    # Isolation forests and bagging may show each tree some of the columns only.
    columns = getattr(model, "estimators_features_", [])
    if len(columns) != len(trees) or all(len(own) == model.n_features_in_ for own in columns):
        columns = [np.arange(model.n_features_in_)] * len(trees)
    features = [
        int(own[index])
        for tree, own in zip(trees, columns, strict=True)
        for index in tree.feature[tree.feature >= 0]
    ]
    thresholds = [at for tree in trees for at in tree.threshold[tree.feature >= 0].tolist()]
    return features, thresholds, np.float32


def _members_split_points(model: Any) -> tuple[list[int], list[float], type] | None:
    """Those of the members, which see the same columns; a chain's additional ones are left out."""
    features: list[int] = []
    thresholds: list[float] = []
    float_type: type = np.float64
    for member in model.estimators_:
        points = split_points(member)
        if points is None:
            return None
        own = [(at, threshold) for at, threshold in zip(*points[:2], strict=True)]
        kept = [point for point in own if point[0] < model.n_features_in_]
        features += [at for at, _ in kept]
        thresholds += [threshold for _, threshold in kept]
        float_type = points[2]
    return features, thresholds, float_type


def _mean_of_leaves(
    graph: Graph,
    model: Any,
    block: Block,
    read: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> str:
    """[n, k]: the mean over the trees of what `read` takes from each reached leaf's values."""
    members = _members(model)
    rows = graph.through_float32(block.numbers(type(model).__name__))
    trees = [tree_arrays(member.tree_) for member in members]
    shares = np.concatenate(
        [read(member.tree_.value[tree.leaves]) for member, tree in zip(members, trees, strict=True)]
    )
    reached = leaf_numbers(graph, rows, trees)
    total = graph.add(
        "ReduceSum",
        graph.add("Gather", graph.constant(shares), reached, axis=0),
        graph.integers([1]),
        keepdims=0,
    )
    return graph.add("Div", total, graph.constant(np.float64(len(members))))


def _members(model: Any) -> list[Any]:
    return list(model.estimators_) if hasattr(model, "estimators_") else [model]


def tree_arrays(tree: Any) -> TreeArrays:
    """The arrays of one fitted tree of scikit-learn."""
    missing = tree.missing_go_to_left
    return TreeArrays(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        missing_left=np.asarray(missing, dtype=bool),
    )


def _boosted(graph: Graph, model: Any, block: Block) -> str:
    """[n, 1 or classes]: the raw prediction."""
    start = _constant_start(model)
    rows = graph.through_float32(block.numbers(type(model).__name__))
    trees = []
    for stage in model.estimators_:
        for target, member in enumerate(stage):
            tree = tree_arrays(member.tree_)
            weights = model.learning_rate * member.tree_.value[tree.leaves, 0, 0]
            trees.append(WeightedTree(tree, target, weights))
    total = tree_sums(graph, rows, trees, len(start))
    return graph.add("Add", total, graph.constant(start))


def _constant_start(model: Any) -> Any:
    """The raw prediction before the first tree. Raises CannotLowerError if it is not constant."""
    if model.init is not None and model.init != "zero":
        raise CannotLowerError("gradient boosting with an estimator as `init`")
    return np.ravel(model._raw_predict_init(np.zeros((1, model.n_features_in_))))


def _classify(graph: Graph, model: Any, raw: str) -> Outputs:
    if len(model.classes_) == 2:
        probability = with_complement(graph, graph.add("Sigmoid", raw))
        return {"label": positive_label(graph, raw), "probability": probability, "decision": raw}
    return {
        "label": best_label(graph, raw),
        "probability": graph.add("Softmax", raw, axis=1),
        "decision": raw,
    }
