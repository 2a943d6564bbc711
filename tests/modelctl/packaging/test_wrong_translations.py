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
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from app.model.contract import Contract, Feature, Output
from app.model.onnx_engine import OnnxEngine
from app.model.sklearn_engine import SklearnEngine
from app.model.validation import Batch
from modelctl.errors import RefusedError
from modelctl.packaging import candidates
from modelctl.packaging.alignment import align
from modelctl.packaging.candidates import json_rows
from modelctl.packaging.contracts import infer
from modelctl.packaging.engines import Attempt, attempt_all
from modelctl.packaging.lowering import lower
from modelctl.packaging.lowering.graph import Graph
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
    frame = align(model, features)
    contract = infer(model, frame, "target")
    with threadpool_limits(1):
        return attempt_all(
            model, contract, json_rows(frame, contract), wanted=wanted, tolerance=TOLERANCE
        )


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


def category_contract(model: Any) -> Contract:
    inputs = (
        Feature("kind", "string", None, None, ("a", "b", "c"), "allow"),
        Feature("size", "float", None, None, None, "allow"),
    )
    classes = tuple(model.classes_.tolist())
    return Contract(inputs, Output("classifier", "y", classes, probabilities=True))


def test_trees_that_take_categories_by_name_get_neighbours_of_numbers_only() -> None:
    random = np.random.default_rng(0)
    kinds = pd.Categorical(random.choice(["a", "b", "c"], 300), categories=["a", "b", "c"])
    frame = pd.DataFrame({"kind": kinds, "size": random.normal(size=300)})
    target = ((frame["kind"] == "b") ^ (frame["size"] > 0.3)).astype(int)
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=5).fit(frame, target)
        contract = category_contract(model)
        engine = SklearnEngine(model, contract)
        onnx = OnnxEngine(lower(model, contract).SerializeToString(), contract)
        codes = frame["kind"].cat.codes.to_numpy(dtype=np.float64)
        batch = Batch(np.column_stack([codes, frame["size"].to_numpy()]))
        parity = Parity(TOLERANCE, is_regression=False)
        compare_splits(parity, model, contract, engine, onnx, batch)
    numbers = sum(
        int(
            (nodes["is_leaf"] == 0).sum()
            - ((nodes["is_leaf"] == 0) & nodes["is_categorical"]).sum()
        )
        for nodes in (entry.nodes for stage in model._predictors for entry in stage)
    )
    assert numbers > 0
    assert parity.rows == {"thresholds": 3 * numbers}
    assert (parity.threshold_share, parity.refusal) == (1.0, "")


def test_a_model_without_trees_has_no_neighbours() -> None:
    features, target = iris()
    onnx, _ = attempts(LogisticRegression(max_iter=300).fit(features, target), features)
    assert onnx.parity is not None
    assert set(onnx.parity.rows) == {"sample", "perturbed"}
    assert onnx.parity.threshold_share is None
