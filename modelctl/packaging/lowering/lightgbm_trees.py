"""LightGBM's models, read from the text of `Booster.model_to_string()`.

LightGBM compares and adds in float64: `x <= threshold` goes left. A missing value follows the
default direction or counts as zero, by the split's missing type; the text has 17 digits, which
float64 survives. Arithmetic: `Tree::Decision`, `GBDT::Predict`, `ConvertOutput` of each objective.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.category_sets import BETWEEN, LEFT, RIGHT, CategorySets, coded
from modelctl.packaging.lowering.ensemble import TreeArrays, WeightedTree, tree_sums
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import best_label, scalar, vector, with_complement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs

IDENTITY = frozenset(
    {"", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"}
)
EXPONENTIAL = frozenset({"poisson", "gamma", "tweedie"})
# Bits of `decision_type`.
CATEGORICAL, DEFAULT_LEFT, MISSING_TYPE = 1, 2, 12
NEVER, ZERO, NAN = 0, 4, 8
# `kZeroThreshold`, a float32: LightGBM reads numbers up to it, of either sign, as zero.
ZERO_BOUND = float(np.float32(1e-35))
BELOW_ZERO = float(np.nextafter(-ZERO_BOUND, -np.inf))


@dataclass(frozen=True)
class Model:
    """A model's text: the header's entries, one mapping per tree, and the parameters."""

    header: dict[str, str]
    trees: tuple[dict[str, str], ...]
    parameters: dict[str, str]

    @property
    def per_iteration(self) -> int:
        """Trees per iteration: one for each class, else one."""
        return int(self.header["num_tree_per_iteration"])

    @property
    def objective(self) -> tuple[str, dict[str, str]]:
        """The objective's name and its settings; an empty name for one of the user's own."""
        name, *settings = self.header.get("objective", "").split() or [""]
        return name, dict(entry.partition(":")[::2] for entry in settings)


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Probabilities, and the first class with the highest one."""
    parsed = _parsed_of(model)
    name, settings = parsed.objective
    raw = _raw(graph, model, parsed, block)
    classes = len(model.classes_)
    if name in ("multiclass", "multiclassova"):
        if parsed.per_iteration != classes:
            raise CannotLowerError(f"{name} with {classes} classes")
        probability = (
            graph.add("Softmax", raw, axis=1)
            if name == "multiclass"
            else _sigmoid(graph, raw, float(settings["sigmoid"]))
        )
    elif name in ("binary", "cross_entropy") and classes == 2:
        positive = _sigmoid(graph, raw, float(settings.get("sigmoid", 1.0)))
        probability = with_complement(graph, positive)
    else:
        raise CannotLowerError(f"LGBMClassifier with objective {name or 'of the user'!r}")
    outputs = {"label": best_label(graph, probability), "probability": probability}
    # The raw sum of a random forest's trees is not divided by their number.
    return outputs if "average_output" in parsed.header else outputs | {"decision": raw}


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The value of a regressor or the score of a ranker."""
    parsed = _parsed_of(model)
    name, settings = parsed.objective
    if parsed.per_iteration != 1:
        raise CannotLowerError("LightGBM with several outputs per row")
    raw = _raw(graph, model, parsed, block)
    if name in EXPONENTIAL:
        raw = graph.add("Exp", raw)
    elif name == "cross_entropy":
        raw = _sigmoid(graph, raw, 1.0)
    elif name == "cross_entropy_lambda":
        raw = graph.add("Log", graph.add("Add", graph.add("Exp", raw), scalar(graph, 1.0)))
    elif name == "regression":
        if "sqrt" in settings:
            raw = graph.add("Mul", graph.add("Mul", graph.add("Sign", raw), raw), raw)
    elif name not in IDENTITY:
        raise CannotLowerError(f"LightGBM with objective {name!r}")
    return {"value": vector(graph, raw)}


def split_points(model: Any) -> tuple[list[int], list[float]]:
    """Every (feature, threshold) of the splits by number."""
    features: list[int] = []
    thresholds: list[float] = []
    for tree in _parsed_of(model).trees:
        by_number = (_numbers(tree, "decision_type", np.int64) & CATEGORICAL) == 0
        features += _numbers(tree, "split_feature", np.int64)[by_number].tolist()
        thresholds += _numbers(tree, "threshold")[by_number].tolist()
    return features, thresholds


def native_categories(model: Any, strings: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """The categories of every feature that was fitted as pandas' `category`, in fitted order.

    The model has the lists of categories and not always which columns they belong to: `strings`
    are the columns that hold strings, all of which were `category` then. Raises CannotLowerError
    where neither they nor the model's categorical features tell.
    """
    lists = getattr(model.booster_, "pandas_categorical", None) or []
    if not lists:
        return {}
    declared = _parsed_of(model).parameters.get("categorical_feature", "")
    indexes = [int(index) for index in declared.split(",") if index]
    for columns in (strings, indexes):
        if len(columns) == len(lists):
            return {index: tuple(values) for index, values in zip(columns, lists, strict=True)}
    raise CannotLowerError(
        f"LightGBM knows {len(lists)} lists of categories and not which columns they belong to "
        "(ordered categories, or categories of numbers)"
    )


def _parsed_of(model: Any) -> Model:
    # By default the text ends with the best iteration, as `predict` does.
    parsed = _parsed(model.booster_.model_to_string())
    if any(tree.get("is_linear", "0") != "0" for tree in parsed.trees):
        raise CannotLowerError("LightGBM with linear_tree")
    return parsed


@functools.lru_cache(maxsize=4)
def _parsed(text: str) -> Model:
    header, *sections = text.partition("\nend of trees")[0].split("\nTree=")
    _, _, rest = text.partition("\nparameters:\n")
    lines = rest.partition("end of parameters")[0].splitlines()
    settings = dict(line.strip("[]").partition(": ")[::2] for line in lines if line.startswith("["))
    return Model(_entries(header), tuple(map(_entries, sections)), settings)


def _entries(section: str) -> dict[str, str]:
    # A line without a value, such as `average_output`, is a flag.
    return dict(line.partition("=")[::2] for line in section.splitlines() if line)


def _numbers(tree: dict[str, str], name: str, dtype: Any = np.float64) -> NDArray[Any]:
    return np.array(tree.get(name, "").split(), dtype=dtype)


def _raw(graph: Graph, model: Any, parsed: Model, block: Block) -> str:
    """[n, trees per iteration]: the sum of the trees; the mean for a random forest."""
    if any(model.get_params().get(name) for name in ("pred_early_stop", "predict_raw_score")):
        raise CannotLowerError("LightGBM with pred_early_stop or predict_raw_score")
    strings = [at for at, column in enumerate(block.columns) if column.categories is not None]
    native = native_categories(model, strings)
    # A category outside of the set, an unknown one or none goes right.
    sets = CategorySets(len(block.columns), unseen=RIGHT, missing=RIGHT)
    features = _Features()
    weighted = []
    for index, tree in enumerate(parsed.trees):
        arrays = _tree(tree, sets, features)
        weights = _numbers(tree, "leaf_value")
        weighted.append(WeightedTree(arrays, index % parsed.per_iteration, weights))
    rows = features.prepared(graph, coded(graph, block, native), len(block.columns))
    total = tree_sums(graph, sets.appended(graph, rows), weighted, parsed.per_iteration)
    if "average_output" in parsed.header:
        iterations = len(parsed.trees) // parsed.per_iteration
        total = graph.add("Div", total, scalar(graph, float(iterations)))
    return total


class _Features:
    """How the values of each feature are changed before they are compared."""

    def __init__(self) -> None:
        self._missing_types: dict[int, int] = {}

    def note(self, feature: int, missing_type: int) -> None:
        """A feature has one missing type in all trees. Raises CannotLowerError otherwise."""
        if self._missing_types.setdefault(feature, missing_type) != missing_type:
            raise CannotLowerError(f"LightGBM with several missing types of feature {feature}")

    def prepared(self, graph: Graph, rows: str, width: int) -> str:
        """Zeros as NaN where zero means missing; codes above -1 as zero, which C++ cuts to it."""
        for missing_type, change in ((ZERO, _zeros_missing), (CATEGORICAL, _cut)):
            chosen = [self._missing_types.get(index) == missing_type for index in range(width)]
            if any(chosen):
                flags = graph.constant([chosen], bool)
                rows = graph.add("Where", flags, change(graph, rows), rows)
        return rows


def _zeros_missing(graph: Graph, rows: str) -> str:
    near = graph.add("LessOrEqual", graph.add("Abs", rows), scalar(graph, ZERO_BOUND))
    return graph.add("Where", near, scalar(graph, float("nan")), rows)


def _cut(graph: Graph, rows: str) -> str:
    negative = graph.add("Less", rows, scalar(graph, 0.0))
    return graph.add("Where", negative, graph.add("Ceil", rows), rows)


def _tree(tree: dict[str, str], sets: CategorySets, features: _Features) -> TreeArrays:
    """Inner nodes first, then leaves: LightGBM numbers leaf k as child -(k + 1)."""
    count = int(tree["num_leaves"])
    inner = count - 1
    feature = _numbers(tree, "split_feature", np.int64)
    threshold = _numbers(tree, "threshold")
    decision = _numbers(tree, "decision_type", np.int64)
    missing_left = np.zeros(inner, dtype=bool)
    for node in range(inner):
        if decision[node] & CATEGORICAL:
            features.note(int(feature[node]), CATEGORICAL)
            sides = _sides(tree, int(threshold[node]))
            feature[node], threshold[node] = sets.column(int(feature[node]), sides), BETWEEN
            continue
        missing_type = int(decision[node] & MISSING_TYPE)
        features.note(int(feature[node]), missing_type)
        default = bool(decision[node] & DEFAULT_LEFT)
        if abs(threshold[node]) <= ZERO_BOUND:
            # All of these numbers are on the side of zero.
            threshold[node] = ZERO_BOUND if threshold[node] >= 0 else BELOW_ZERO
        # Where nothing was missing in training, NaN counts as zero.
        missing_left[node] = bool(threshold[node] >= 0) if missing_type == NEVER else default
    return TreeArrays(
        left=_with_leaves(_numbers(tree, "left_child", np.int64), inner, count),
        right=_with_leaves(_numbers(tree, "right_child", np.int64), inner, count),
        feature=np.append(feature, np.full(count, -1)),
        threshold=np.append(threshold, np.zeros(count)),
        missing_left=np.append(missing_left, np.zeros(count, dtype=bool)),
    )


def _with_leaves(children: NDArray[np.int64], inner: int, count: int) -> NDArray[np.int64]:
    numbered = np.where(children < 0, inner - children - 1, children)
    return np.append(numbered, np.full(count, -1)).astype(np.int64)


def _sides(tree: dict[str, str], number: int) -> NDArray[np.float64]:
    """LEFT for each code that the bit set holds."""
    bounds = _numbers(tree, "cat_boundaries", np.int64)
    words = _numbers(tree, "cat_threshold", np.uint32)[bounds[number] : bounds[number + 1]]
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)
    sides: NDArray[np.float64] = np.where(bits, LEFT, RIGHT)
    return sides


def _sigmoid(graph: Graph, raw: str, steepness: float) -> str:
    scaled = raw if steepness == 1.0 else graph.add("Mul", raw, scalar(graph, steepness))
    return graph.add("Sigmoid", scaled)
