"""XGBoost's tree models, read from `Booster.save_raw("json")`.

XGBoost compares and adds in float32: `x < threshold` goes left, and the sum starts at the base
score and takes one tree after the other. Format: XGBoost's documentation, "Introduction to Model
IO"; arithmetic: its CPU predictor and the `PredTransform` of each objective.
"""

from __future__ import annotations

import functools
import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.category_sets import (
    BETWEEN,
    LEFT,
    NOT_A_NUMBER,
    RIGHT,
    CategorySets,
    coded,
)
from modelctl.packaging.lowering.ensemble import (
    BRANCH_LT,
    TreeArrays,
    WeightedTree,
    constant_tree,
    tree_sums,
)
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import best_label, vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs

IDENTITY = frozenset(
    {
        "reg:squarederror",
        "reg:linear",
        "reg:squaredlogerror",
        "reg:pseudohubererror",
        "reg:absoluteerror",
        "reg:quantileerror",
        "reg:expectileerror",
        "binary:logitraw",
        "rank:ndcg",
        "rank:map",
        "rank:pairwise",
    }
)
EXPONENTIAL = frozenset(
    {"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"}
)
LOGISTIC = frozenset({"reg:logistic", "binary:logistic"})
SOFTMAX = frozenset({"multi:softprob", "multi:softmax"})
# The bound of `ProbToMargin` of the logistic objectives (kRtEps).
SMALLEST_PROBABILITY = np.float32(1e-6)


class DamagedCategoriesError(CannotLowerError):
    """Names of categories that XGBoost up to 3.2 cut at characters instead of bytes.

    The rest of the last ones is lost, and unseen values are answered as one of them
    (dmlc/xgboost#12371).
    """


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Probabilities in float32; the label is taken from them, as in `XGBClassifier.predict`."""
    document = _document(model)
    objective = str(document["objective"]["name"])
    margin, groups = _margin(graph, model, document, block)
    classes = int(model.n_classes_)
    if objective in SOFTMAX:
        if groups != classes or classes < 3:
            raise CannotLowerError(f"{objective} with {classes} classes")
        probability = _softmax(graph, margin)
        scores = margin if objective == "multi:softmax" else probability
        return {"label": best_label(graph, scores), "probability": graph.double(probability)}
    if groups != 1 or classes != 2:
        raise CannotLowerError(f"{objective} with {classes} classes and {groups} outputs")
    positive = _transformed(graph, margin, objective)
    negative = graph.add("Sub", graph.constant(1.0, np.float32), positive)
    above = graph.add("Greater", vector(graph, positive), graph.constant(0.5, np.float32))
    return {
        "label": graph.integer(above),
        "probability": graph.double(graph.concat([negative, positive])),
    }


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The value of a regressor or the score of a ranker."""
    document = _document(model)
    margin, groups = _margin(graph, model, document, block)
    if groups != 1:
        raise CannotLowerError("XGBoost with several outputs per row")
    value = _transformed(graph, margin, str(document["objective"]["name"]))
    return {"value": vector(graph, graph.double(value))}


def split_points(model: Any) -> tuple[list[int], list[float]]:
    """Every (feature, float32 threshold) of the splits by number."""
    features: list[int] = []
    thresholds: list[float] = []
    for tree in _document(model)["gradient_booster"]["model"]["trees"]:
        left = np.asarray(tree["left_children"])
        chosen = (left != -1) & (np.asarray(tree["split_type"]) == 0)
        features += np.asarray(tree["split_indices"])[chosen].tolist()
        thresholds += np.asarray(tree["split_conditions"], dtype=np.float32)[chosen].tolist()
    return features, thresholds


def native_categories(model: Any) -> dict[int, tuple[Any, ...]]:
    """The categories of every feature that was fitted as pandas' `category`, in fitted order."""
    encodings = _document(model)["gradient_booster"]["model"].get("cats", {}).get("enc", [])
    found = {index: _categories(entry) for index, entry in enumerate(encodings)}
    return {index: categories for index, categories in found.items() if categories}


def _categories(entry: dict[str, Any]) -> tuple[Any, ...]:
    offsets = entry.get("offsets")
    if offsets is None:
        return tuple(entry["values"])
    # Strings are stored as one array of bytes, which JSON holds as signed numbers.
    data = bytes(value & 0xFF for value in entry["values"])
    if not data.isascii():
        raise DamagedCategoriesError("XGBoost with categories outside ASCII")
    return tuple(data[start:end].decode() for start, end in itertools.pairwise(offsets))


def _document(model: Any) -> dict[str, Any]:
    """The `learner` of the exported model. Raises CannotLowerError for other than trees."""
    document = _parsed(bytes(model.get_booster().save_raw(raw_format="json")))
    booster = document["gradient_booster"]["name"]
    if booster not in ("gbtree", "dart"):
        raise CannotLowerError(f"XGBoost with booster={booster!r}")
    if booster == "dart":
        # A booster of trees, and a weight for each of them.
        inner = document["gradient_booster"]
        trees = inner["gbtree"]
        document = document | {
            "gradient_booster": {
                "name": booster,
                "model": trees["model"],
                "weight_drop": inner["weight_drop"],
            }
        }
    return document


@functools.lru_cache(maxsize=4)
def _parsed(text: bytes) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(text)["learner"]
    return learner


def _margin(graph: Graph, model: Any, document: dict[str, Any], block: Block) -> tuple[str, int]:
    """[n, groups] in float32: base score and trees; and the number of groups."""
    inner = document["gradient_booster"]["model"]
    parameters = document["learner_model_param"]
    groups = max(1, int(parameters["num_class"]), int(parameters.get("num_target", 1)))
    native = native_categories(model)
    rows = _with_missing(graph, model, coded(graph, block, native), set(native))
    # An unseen or negative code goes left, as a category that is not in the set.
    sets = CategorySets(len(block.columns), unseen=LEFT, missing=NOT_A_NUMBER)
    base = _base_margin(document, groups)
    weights = document["gradient_booster"].get("weight_drop")
    ends = inner["iteration_indptr"]
    best = _best_iteration(model)
    count = ends[-1] if best is None else ends[min(best + 1, len(ends) - 1)]
    trees = [constant_tree(group, float(base[group])) for group in range(groups)]
    for index in range(count):
        if int(inner["trees"][index]["tree_param"]["size_leaf_vector"]) > 1:
            raise CannotLowerError("XGBoost with vectors in the leaves (multi_strategy)")
        group = int(inner["tree_info"][index])
        tree, leaves = _tree(inner["trees"][index], sets)
        if weights is not None:
            # `DART::InplacePredict` predicts with one tree, subtracts the base score again, and
            # multiplies by the weight of the tree: all in float32.
            leaves = ((leaves + base[group]) - base[group]) * np.float32(weights[index])
        trees.append(WeightedTree(tree, group, leaves.astype(np.float64)))
    wide = graph.single(sets.appended(graph, rows))
    return tree_sums(graph, wide, trees, groups, mode=BRANCH_LT, dtype=np.float32), groups


def _best_iteration(model: Any) -> int | None:
    """What `predict` stops after, counted from 0: set by early stopping."""
    try:
        return int(model.best_iteration)
    except AttributeError:
        return None


def _with_missing(graph: Graph, model: Any, rows: str, native: set[int]) -> str:
    """NaN in place of the value that the user declared as missing, compared in float32."""
    marker = getattr(model, "missing", NOT_A_NUMBER)
    if marker is None or np.isnan(marker):
        return rows
    if native:
        raise CannotLowerError(f"XGBoost with missing={marker!r} and categories")
    rounded = graph.single(rows)
    absent = graph.add("Equal", rounded, graph.constant(marker, np.float32))
    return graph.add("Where", absent, graph.constant(NOT_A_NUMBER), rows)


def _tree(tree: dict[str, Any], sets: CategorySets) -> tuple[TreeArrays, NDArray[np.float32]]:
    """One tree, and what its leaves add."""
    left = np.asarray(tree["left_children"], dtype=np.int64)
    feature = np.asarray(tree["split_indices"], dtype=np.int64)
    numbers = np.asarray(tree["split_conditions"], dtype=np.float32)
    threshold = numbers.astype(np.float64)
    segments = zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    )
    for node, start, size in segments:
        chosen = np.asarray(tree["categories"][start : start + size], dtype=np.int64)
        sides = np.full(int(chosen.max(initial=-1)) + 1, LEFT)
        sides[chosen] = RIGHT
        feature[node] = sets.column(int(feature[node]), sides)
        threshold[node] = BETWEEN
    arrays = TreeArrays(
        left=left,
        right=np.asarray(tree["right_children"], dtype=np.int64),
        feature=feature,
        threshold=threshold,
        missing_left=np.asarray(tree["default_left"], dtype=bool),
    )
    # A leaf keeps its value in the place of its threshold.
    return arrays, numbers[arrays.leaves]


def _base_margin(document: dict[str, Any], groups: int) -> NDArray[np.float32]:
    """The base score on the scale of the sum, for each group: `ProbToMargin` of the objective."""
    text = document["learner_model_param"]["base_score"]
    values = json.loads(text) if text.startswith("[") else [float(text)]
    scores: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    objective = document["objective"]["name"]
    if objective in LOGISTIC:
        one = np.float32(1)
        bounded = np.clip(scores, SMALLEST_PROBABILITY, one - SMALLEST_PROBABILITY)
        odds = (one / bounded - one).astype(np.float64)
        scores = -np.log(odds).astype(np.float32)
    elif objective in EXPONENTIAL:
        scores = np.log(scores.astype(np.float64)).astype(np.float32)
    return np.broadcast_to(scores, groups)


def _transformed(graph: Graph, margin: str, objective: str) -> str:
    """The margin on the scale of the target, in float32."""
    if objective in IDENTITY:
        return margin
    if objective in EXPONENTIAL:
        return _exponential(graph, margin)
    if objective in LOGISTIC:
        one = graph.constant(1.0, np.float32)
        # XGBoost limits the exponent to 88.7, for a probability of 3e-39 instead of 0.
        powers = _exponential(graph, graph.add("Neg", margin))
        return graph.add("Div", one, graph.add("Add", powers, one))
    if objective == "binary:hinge":
        return graph.single(graph.add("Greater", margin, graph.constant(0.0, np.float32)))
    raise CannotLowerError(f"XGBoost with objective={objective!r}")


def _softmax(graph: Graph, margin: str) -> str:
    """Exponentials in float32, added in float64."""
    largest = graph.add("ReduceMax", margin, graph.integers([1]), keepdims=1)
    powers = _exponential(graph, graph.add("Sub", margin, largest))
    total = graph.add("ReduceSum", graph.double(powers), graph.integers([1]), keepdims=1)
    return graph.add("Div", powers, graph.single(total))


def _exponential(graph: Graph, source: str) -> str:
    """e to the power of a float32, rounded once: what the C library's `expf` returns."""
    return graph.single(graph.add("Exp", graph.double(source)))
