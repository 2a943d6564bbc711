"""A translation with a mistake is refused by the parity gate, and scikit-learn serves instead.

The mistakes are made in the ONNX operator that is written, whoever writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from app.model.contract import Contract, Form, Output
from app.model.feature import Feature
from app.model.onnx_engine import OnnxEngine
from modelctl.errors import RefusedError
from modelctl.packaging import candidates
from modelctl.packaging.engines import Attempt, attempt_all
from modelctl.packaging.inference import infer
from modelctl.packaging.lowering import lower
from modelctl.packaging.lowering.graph import Graph
from modelctl.packaging.oracle import Oracle
from modelctl.packaging.parity import Parity, compare_splits

TOLERANCE = 1e-6
# Modes of the TreeEnsemble operator of ai.onnx.ml 5: `<=` and `<`.
LESS_OR_EQUAL, LESS = 0, 1


def iris() -> tuple[pd.DataFrame, Any]:
    """Values whose midpoints float32 has, so that `<` and `<=` differ on a value."""
    data = load_iris(as_frame=True)
    return (data.data * 8).round() / 8, data.target


Break = Callable[[dict[str, Any]], None]


def strict_comparison(attributes: dict[str, Any]) -> None:
    """`<` in place of `<=`."""
    modes = numpy_helper.to_array(attributes["nodes_modes"])
    assert set(modes.tolist()) == {LESS_OR_EQUAL}
    attributes["nodes_modes"] = numpy_helper.from_array(np.full_like(modes, LESS))


def moved(towards: float) -> Break:
    """Every threshold as little beside its place as a compared value can tell."""

    def change(attributes: dict[str, Any]) -> None:
        at: NDArray[np.float64] = numpy_helper.to_array(attributes["nodes_splits"])
        nearest = at.astype(np.float32)
        step = np.nextafter(nearest, np.float32(towards)).astype(np.float64)
        attributes["nodes_splits"] = numpy_helper.from_array(step)

    return change


def wrong_leaves(attributes: dict[str, Any]) -> None:
    """What each leaf adds belongs to another one."""
    weights = numpy_helper.to_array(attributes["leaf_weights"])
    attributes["leaf_weights"] = numpy_helper.from_array(weights[::-1].copy())


def exchanged(attributes: dict[str, Any]) -> None:
    """The first two branches of the first node change places."""
    for true, false in (
        ("nodes_truenodeids", "nodes_falsenodeids"),
        ("nodes_trueleafs", "nodes_falseleafs"),
    ):
        one, other = list(attributes[true]), list(attributes[false])
        one[0], other[0] = other[0], one[0]
        attributes[true], attributes[false] = one, other


def break_trees(monkeypatch: pytest.MonkeyPatch, change: Break) -> None:
    """From now on the operator that holds trees is written with a mistake."""
    add = Graph.add

    def broken(graph: Graph, operator: str, *inputs: str, **attributes: Any) -> str:
        if operator == "TreeEnsemble":
            change(attributes)
        return add(graph, operator, *inputs, **attributes)

    monkeypatch.setattr(Graph, "add", broken)


def attempts(model: Any, features: pd.DataFrame, wanted: str = "auto") -> list[Attempt]:
    with threadpool_limits(1):
        subject, _ = infer(model, features, "target")
        return attempt_all(subject, wanted=wanted, tolerance=TOLERANCE)[0]


# Binary, a single tree: nothing averages a mistake away, and leaves differ by whole labels.
SHAPES: dict[str, Callable[[], Any]] = {
    "alone": lambda: DecisionTreeClassifier(random_state=0),
    # A step that leaves numbers as they are: scaled thresholds are none that float32 has.
    "after-a-step": lambda: make_pipeline(
        SelectKBest(k="all"), DecisionTreeClassifier(random_state=0)
    ),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "number": lambda: DecisionTreeRegressor(random_state=0),
}
WRONG: dict[str, Break] = {
    "strict-comparison": strict_comparison,
    "threshold-one-step-up": moved(np.inf),
    "threshold-one-step-down": moved(-np.inf),
    "leaves": wrong_leaves,
    "branches": exchanged,
}


@pytest.fixture
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 300)


@pytest.mark.usefixtures("fewer_rows")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_right_translation_of_trees_is_accepted(shape: str) -> None:
    features, target = iris()
    onnx, _ = attempts(SHAPES[shape]().fit(features, target), features)
    assert onnx.reason == ""
    assert onnx.parity is not None
    assert onnx.parity.rows["thresholds"] > 0


@pytest.mark.usefixtures("fewer_rows")
@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_translation_of_trees_never_serves(
    shape: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, target = iris()
    model = SHAPES[shape]().fit(features, target)
    break_trees(monkeypatch, WRONG[mistake])
    onnx, sklearn = attempts(model, features)
    assert onnx.reason
    assert (sklearn.name, sklearn.reason) == ("sklearn", "")
    with pytest.raises(RefusedError):
        attempts(model, features, wanted="onnx")


def test_a_wrong_label_never_serves_although_all_probabilities_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, target = iris()
    model = LogisticRegression(max_iter=300).fit(features, target)
    add = Graph.add

    def worst(graph: Graph, operator: str, *inputs: str, **attributes: Any) -> str:
        return add(graph, "ArgMin" if operator == "ArgMax" else operator, *inputs, **attributes)

    monkeypatch.setattr(Graph, "add", worst)
    onnx, _ = attempts(model, features)
    assert onnx.parity is not None
    assert onnx.parity.max_abs_diff < TOLERANCE
    assert onnx.parity.label_mismatches > 0
    assert "labels" in onnx.reason


def category_contract() -> Contract:
    inputs = (
        Feature("kind", "string", None, None, ("a", "b", "c"), "allow"),
        Feature("size", "float", None, None, None, "allow"),
        Feature("count", "integer", None, None, None, "refuse"),
    )
    return Contract(inputs, Output("classifier", "y", (0, 1), probabilities=True))


def categories() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    kinds = pd.Categorical(random.choice(["a", "b", "c"], 400), categories=["a", "b", "c"])
    frame = pd.DataFrame(
        {"kind": kinds, "size": random.normal(size=400), "count": random.integers(9, size=400)}
    )
    target = (frame["kind"] == "b") ^ (frame["size"] > 0.3) ^ (frame["count"] > 6)
    return frame, target.astype(int)


def at_splits(model: Any, contract: Contract, frame: pd.DataFrame, form: Form = "frame") -> Parity:
    """What is found beside the thresholds of a model, and nothing else."""
    onnx = OnnxEngine(lower(model, contract).SerializeToString(), contract)
    parity = Parity(TOLERANCE, is_regression=contract.output.kind == "regressor")
    compare_splits(parity, Oracle(model, form), contract, onnx, frame)
    return parity


def test_trees_that_take_categories_by_name_get_neighbours_of_numbers_only() -> None:
    frame, target = categories()
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=5).fit(frame, target)
        parity = at_splits(model, category_contract(), frame)
    # Columns as the trees see them: the category first. A count between two counts is no request.
    nodes = np.concatenate([entry.nodes for stage in model._predictors for entry in stage])
    by_number = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
    assert {1, 2} <= {*by_number["feature_idx"].tolist()}
    numbers = int((by_number["feature_idx"] == 1).sum())
    assert parity.rows == {"thresholds": 3 * numbers}
    assert (parity.threshold_share, parity.refusal) == (1.0, "")


@pytest.mark.usefixtures("fewer_rows")
def test_trees_that_compare_categories_only_are_packaged() -> None:
    frame, target = categories()
    frame = frame[["kind"]]
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=5).fit(frame, target)
    onnx, _ = attempts(model, frame)
    assert onnx.reason == ""
    assert onnx.parity is not None
    assert set(onnx.parity.rows) == {"sample", "perturbed"}


def tree() -> Any:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


def by_kind() -> ColumnTransformer:
    return ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")


def sparse() -> ColumnTransformer:
    """Of which every transformed row is sparse."""
    wide = OneHotEncoder(sparse_output=True)
    return ColumnTransformer([("all", wide, ["kind", "count"])], sparse_threshold=1.0)


PIPELINES: dict[str, Callable[[], Any]] = {
    "one-step": lambda: make_pipeline(by_kind(), tree()),
    "two-steps": lambda: make_pipeline(by_kind(), SelectKBest(k=3), tree()),
    "three-steps": lambda: make_pipeline(by_kind(), SelectKBest(k=4), SelectKBest(k=2), tree()),
    "sparse": lambda: make_pipeline(sparse(), tree()),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_input_of_the_last_step_is_what_neighbours_are_made_of(name: str) -> None:
    frame, target = categories()
    frame["kind"] = frame["kind"].astype("str")
    model = PIPELINES[name]().fit(frame, target)
    parity = at_splits(model, category_contract(), frame)
    splits = int((model[-1].tree_.children_left != -1).sum())
    assert parity.rows == {"thresholds": 3 * splits}
    assert (parity.refusal, parity.threshold_share) == ("", 1.0)


def test_a_pipeline_of_nothing_but_trees_is_compared() -> None:
    features, target = iris()
    model = make_pipeline(tree()).fit(features.to_numpy(), target)
    inputs = tuple(Feature(name, "float", None, None, None, "refuse") for name in features)
    output = Output("classifier", "y", (0, 1, 2), probabilities=True)
    parity = at_splits(model, Contract(inputs, output), features, "array")
    assert parity.rows["thresholds"] > 0
    assert parity.refusal == ""


def test_probabilities_beside_thresholds_are_compared_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, target = iris()
    model = GradientBoostingClassifier(n_estimators=3, random_state=0)
    model.fit(features.to_numpy(), target)
    inputs = tuple(Feature(name, "float", None, None, None, "refuse") for name in features)
    contract = Contract(inputs, Output("classifier", "y", (0, 1, 2), probabilities=True))
    onnx = OnnxEngine(lower(model, contract).SerializeToString(), contract)

    def heavier(attributes: dict[str, Any]) -> None:
        weights = numpy_helper.to_array(attributes["leaf_weights"])
        attributes["leaf_weights"] = numpy_helper.from_array(weights * 1.01)

    break_trees(monkeypatch, heavier)
    parity = Parity(TOLERANCE, is_regression=False)
    compare_splits(parity, Oracle(model, "array"), contract, onnx, features)
    # All labels are right.
    assert parity.label_mismatches == 0
    assert parity.max_abs_diff > TOLERANCE


def test_a_model_without_trees_has_no_neighbours() -> None:
    features, target = iris()
    onnx, _ = attempts(LogisticRegression(max_iter=300).fit(features, target), features)
    assert onnx.parity is not None
    assert set(onnx.parity.rows) == {"sample", "perturbed"}
    assert onnx.parity.threshold_share is None
