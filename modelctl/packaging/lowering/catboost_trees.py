"""CatBoost's models, read from `save_model(format="json")`.

CatBoost compares in float32, `x > border`, and adds leaves in float64; then comes scale and bias.
Symmetric trees are grown to full binary trees. A category is compared by the hash of its text
(one-hot splits); statistics of the target per category (CTR) have no translation.
"""

from __future__ import annotations

import functools
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.category_sets import BETWEEN, LEFT, RIGHT, CategorySets
from modelctl.packaging.lowering.ensemble import (
    TreeArrays,
    WeightedTree,
    leaf_numbers,
    tree_sums,
)
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import (
    best_label,
    positive_label,
    scalar,
    vector,
    with_complement,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block, Column
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs

BINARY = frozenset({"Logloss", "CrossEntropy"})
IDENTITY = frozenset(
    {"RMSE", "MAE", "Quantile", "LogLinQuantile", "MAPE", "Lq", "Huber", "Expectile", "LogCosh"}
)
EXPONENTIAL = frozenset({"Poisson", "Tweedie"})
# A symmetric tree of depth d becomes 2^d - 1 nodes; this many in all take about 100 MB to package.
MAX_NODES = 1_000_000
# Whole numbers that are tried as the text behind a hash, for columns of numbers; each is a row of a
# table in the graph.
WHOLE_NUMBERS = range(4096)


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Probabilities in float64, and the label as CatBoost takes it from the raw values."""
    document = _document(model)
    loss = _loss(model)
    classes = len(model.classes_)
    raw = _raw(graph, model, document, block)
    if loss in BINARY and classes == 2:
        probability = with_complement(graph, graph.add("Sigmoid", raw))
        threshold = _logit(float(document["model_info"].get("binclass_probability_threshold", 0.5)))
        label = positive_label(graph, raw, threshold=threshold)
        return {"label": label, "probability": probability}
    if _width(document) != classes:
        raise CannotLowerError(f"CatBoostClassifier with loss {loss} and {classes} classes")
    if loss == "MultiClass":
        probability = graph.add("Softmax", raw, axis=1)
    elif loss == "MultiClassOneVsAll":
        probability = graph.add("Sigmoid", raw)
    else:
        raise CannotLowerError(f"CatBoostClassifier with loss {loss}")
    return {"label": best_label(graph, raw), "probability": probability}


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The value on the scale of the target."""
    loss = _loss(model)
    if loss not in IDENTITY | EXPONENTIAL:
        raise CannotLowerError(f"CatBoostRegressor with loss {loss}")
    value = _single(graph, model, block)
    return {"value": graph.add("Exp", value) if loss in EXPONENTIAL else value}


def ranker(graph: Graph, model: Any, block: Block) -> Outputs:
    """The score."""
    return {"value": _single(graph, model, block)}


def split_points(model: Any) -> tuple[list[int], list[float]]:
    """Every (feature, float32 border) that any tree uses."""
    features: list[int] = []
    borders: list[float] = []
    for entry in _document(model)["features_info"].get("float_features", []):
        features += [int(entry["flat_feature_index"])] * len(entry["borders"])
        borders += map(float, entry["borders"])
    return features, borders


def known_texts(model: Any, feature: int, texts: list[str]) -> list[str]:
    """Those of the texts that a one-hot split of a categorical feature compares with, sorted."""
    for entry in _document(model)["features_info"].get("categorical_features", []):
        values = set(map(int, entry.get("values", [])))
        if int(entry["flat_feature_index"]) == feature and values:
            return sorted(text for key, text in _hashes(model, texts).items() if key in values)
    return []


def _single(graph: Graph, model: Any, block: Block) -> str:
    document = _document(model)
    if _width(document) != 1:
        raise CannotLowerError("CatBoost with several outputs per row")
    return vector(graph, _raw(graph, model, document, block))


def _loss(model: Any) -> str:
    """The name of the loss without its settings."""
    loss = model.get_all_params().get("loss_function")
    return str(loss).partition(":")[0]


def _logit(probability: float) -> float:
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return math.log(probability / (1.0 - probability))


def _document(model: Any) -> dict[str, Any]:
    return _parsed(_exported(model, None))


def _exported(model: Any, pool: Any) -> bytes:
    # CatBoost writes to files only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json", pool=pool)
        return path.read_bytes()


def _hashes(model: Any, texts: list[str]) -> dict[int, str]:
    """CatBoost's hash of each text -> the text: the export lists those of a pool of rows.

    The hashes are signed, as splits have them.
    """
    import pandas as pd
    from catboost import Pool

    categorical = set(model.get_cat_feature_indices())
    names = model.feature_names_
    columns = {name: texts if at in categorical else 0.0 for at, name in enumerate(names)}
    frame = pd.DataFrame(columns, index=range(len(texts)))
    document = json.loads(_exported(model, Pool(frame, cat_features=sorted(categorical))))
    listed = document["features_info"]["cat_features_hash"]
    return {(entry["hash"] + 2**31) % 2**32 - 2**31: entry["value"] for entry in listed}


@functools.lru_cache(maxsize=4)
def _parsed(text: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def _width(document: dict[str, Any]) -> int:
    return len(document["scale_and_bias"][1])


def _raw(graph: Graph, model: Any, document: dict[str, Any], block: Block) -> str:
    """[n, 1 or classes]: scale · sum of trees + bias."""
    features = _Features(model, document, block.columns)
    nested = document.get("trees")
    if nested is None:
        depths = [len(tree["splits"] or []) for tree in document["oblivious_trees"]]
        if sum(2**depth - 1 for depth in depths) > MAX_NODES:
            raise CannotLowerError(f"CatBoost with more than {MAX_NODES:,} nodes, all trees grown")
    if nested is None:
        found = [_symmetric(tree, features) for tree in document["oblivious_trees"]]
    else:
        found = [_grown(tree, features) for tree in nested]
    width = _width(document)
    rows = features.prepared(graph, block)
    if width == 1:
        weighted = [WeightedTree(tree, 0, leaves[:, 0]) for tree, leaves in found]
        total = tree_sums(graph, rows, weighted, 1)
    else:
        # One walk through each tree for all classes.
        reached = leaf_numbers(graph, rows, [tree for tree, _ in found])
        values = graph.constant(np.concatenate([leaves for _, leaves in found]))
        gathered = graph.add("Gather", values, reached, axis=0)
        total = graph.add("ReduceSum", gathered, graph.integers([1]), keepdims=0)
    scale, bias = document["scale_and_bias"]
    scaled = total if scale == 1 else graph.add("Mul", total, scalar(graph, float(scale)))
    return graph.add("Add", scaled, graph.constant(np.array([bias], dtype=np.float64)))


def _symmetric(tree: dict[str, Any], features: _Features) -> tuple[TreeArrays, NDArray[np.float64]]:
    """A full binary tree: the last split at the root, so that leaf k has CatBoost's index k."""
    splits = [features.split(split) for split in reversed(tree["splits"] or [])]
    inner, count = 2 ** len(splits) - 1, 2 ** len(splits)
    # Level d has 2^d nodes, all with the same split.
    levels = np.repeat(np.arange(len(splits)), 2 ** np.arange(len(splits)))
    places = np.arange(inner)
    leaves = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(count, -1)
    return _arrays(
        [splits[level] for level in levels], 2 * places + 1, 2 * places + 2, count
    ), leaves


def _grown(tree: dict[str, Any], features: _Features) -> tuple[TreeArrays, NDArray[np.float64]]:
    """A tree of any shape (`grow_policy` other than SymmetricTree): inner nodes, then leaves."""
    inner: list[dict[str, Any]] = []
    leaves: list[Any] = []
    children: list[list[tuple[bool, int]]] = []
    pending: list[tuple[dict[str, Any], list[tuple[bool, int]] | None]] = [(tree, None)]
    while pending:
        node, siblings = pending.pop()
        if "split" not in node:
            place = (True, len(leaves))
            leaves.append(node["value"])
        else:
            place = (False, len(inner))
            inner.append(node["split"])
            below: list[tuple[bool, int]] = []
            children.append(below)
            # The last one in is taken first: everything below the left child, then the right one.
            pending += [(node["right"], below), (node["left"], below)]
        if siblings is not None:
            siblings.append(place)
    sides = [
        np.array([at + is_leaf * len(inner) for is_leaf, at in pairs], dtype=np.int64)
        for pairs in (zip(*children, strict=True) if children else ((), ()))
    ]
    values = np.asarray(leaves, dtype=np.float64).reshape(len(leaves), -1)
    splits = [features.split(split) for split in inner]
    return _arrays(splits, sides[0], sides[1], len(leaves)), values


def _arrays(
    splits: list[tuple[int, float, bool]],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    leaves: int,
) -> TreeArrays:
    """Inner nodes by number, then the leaves."""
    ends = np.full(leaves, -1, dtype=np.int64)
    return TreeArrays(
        left=np.append(left, ends).astype(np.int64),
        right=np.append(right, ends).astype(np.int64),
        feature=np.append([feature for feature, _, _ in splits], ends).astype(np.int64),
        threshold=np.append([border for _, border, _ in splits], np.zeros(leaves)),
        missing_left=np.append([low for _, _, low in splits], np.zeros(leaves)).astype(bool),
    )


class _Features:
    """Splits -> (column, threshold, whether NaN goes to the side of smaller values)."""

    def __init__(self, model: Any, document: dict[str, Any], columns: tuple[Column, ...]) -> None:
        self._model = model
        information = document["features_info"]
        for kind in ("text_features", "embedding_features"):
            if information.get(kind):
                raise CannotLowerError(f"CatBoost with {kind.replace('_', ' ')}")
        self._floats = information.get("float_features", [])
        self._categorical = information.get("categorical_features", [])
        self._columns = columns
        self._hashes: dict[int, dict[int, int]] = {}
        self._sets = CategorySets(len(columns), unseen=LEFT, missing=LEFT)
        used = {int(entry["flat_feature_index"]) for entry in self._categorical}
        for index, column in enumerate(columns):
            if column.categories is not None and index not in used:
                raise CannotLowerError("CatBoost on a column of strings that is not categorical")

    def split(self, split: dict[str, Any]) -> tuple[int, float, bool]:
        """One split. Raises CannotLowerError for one that compares no value of the request."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            feature = self._floats[split["float_feature_index"]]
            missing_low = feature["nan_value_treatment"] != "AsTrue"
            return int(feature["flat_feature_index"]), float(split["border"]), missing_low
        if kind != "OneHotFeature":
            raise CannotLowerError(
                f"CatBoost with a split by {kind}: statistics of categories; with one_hot_max_size "
                "of at least the number of categories there are none"
            )
        feature = self._categorical[split["cat_feature_index"]]
        index = int(feature["flat_feature_index"])
        code = self._codes(index).get(int(split["value"]))
        if code is None:
            known = "the sample" if self._columns[index].categories else f"0 to {WHOLE_NUMBERS[-1]}"
            raise CannotLowerError(
                f"CatBoost with a category of feature {index} outside of {known}"
            )
        sides = np.full(code + 1, LEFT)
        sides[code] = RIGHT
        return self._sets.column(index, sides), BETWEEN, True

    def prepared(self, graph: Graph, block: Block) -> str:
        """The features in float32, and the columns of one-hot splits after them."""
        return self._sets.appended(graph, graph.through_float32(block.name))

    def _codes(self, index: int) -> dict[int, int]:
        """Hash -> code, for the categories of one column."""
        if index not in self._hashes:
            categories = self._columns[index].categories
            texts = list(map(str, WHOLE_NUMBERS if categories is None else categories))
            places = {text: code for code, text in enumerate(texts)}
            hashes = _hashes(self._model, texts)
            self._hashes[index] = {key: places[text] for key, text in hashes.items()}
        return self._hashes[index]
