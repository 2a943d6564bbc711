"""On the border between two classes the ONNX engine says what scikit-learn says.

The parity gate excuses ties, so labels are compared here, at values that are exactly the border.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.onnx_engine import OnnxEngine
from app.model.validation import Batch
from modelctl.packaging.lowering import lower

# On the first feature's border, and a step to either side.
ROWS = np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0], [-3.0, -3.0]])
LABELS = ("no", "yes")


def served(model: Any, rows: Any) -> list[Any]:
    """What the ONNX engine answers for rows of numbers."""
    inputs = tuple(
        Feature(f"x{at}", "float", None, None, None, "refuse") for at in range(rows.shape[1])
    )
    output = Output("classifier", "y", tuple(model.classes_.tolist()), probabilities=False)
    contract = Contract(inputs, output)
    return (
        OnnxEngine(lower(model, contract).SerializeToString(), contract).predict(Batch(rows)).values
    )


LINEAR: dict[str, Callable[[], Any]] = {
    "logistic": LogisticRegression,
    "ridge": RidgeClassifier,
    "perceptron": Perceptron,
    "sgd": lambda: SGDClassifier(loss="log_loss"),
    "svc": LinearSVC,
    "discriminant": LinearDiscriminantAnalysis,
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_decision_of_zero(name: str) -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 2))
    model = LINEAR[name]().fit(points, np.where(points[:, 0] > points[:, 1], *LABELS[::-1]))
    model.coef_ = np.array([[1.0, -1.0]])
    model.intercept_ = np.zeros(1)
    assert model.decision_function(ROWS).tolist() == [0, 1, -1, 0, 0]
    assert served(model, ROWS) == model.predict(ROWS).tolist()


@pytest.mark.parametrize("name", [name for name in LINEAR if name != "discriminant"])
def test_equal_scores_of_three_classes(name: str) -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 2))
    model = LINEAR[name]().fit(points, np.digitize(points[:, 0], [-0.3, 0.3]))
    model.coef_ = np.array([[0.0, 0.0], [1.0, -1.0], [1.0, -1.0]])
    model.intercept_ = np.zeros(3)
    assert served(model, ROWS) == model.predict(ROWS).tolist() == [0, 1, 0, 0, 0]


def balanced() -> tuple[Any, Any]:
    """As many of each class: where x is 0 equally many of both, beside it one class each."""
    points = np.array([[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]])
    return points, np.array(["no", "yes", "no", "no", "yes", "yes"])


@pytest.mark.parametrize("learning_rate", [0.1, 1.0])
def test_a_raw_value_of_zero_of_gradient_boosting(learning_rate: float) -> None:
    points, labels = balanced()
    model = GradientBoostingClassifier(n_estimators=1, learning_rate=learning_rate, max_depth=2)
    model.fit(points, labels)
    rows = np.array([[0.0], [1.0], [2.0]])
    assert model.decision_function(rows)[0] == 0.0
    assert served(model, rows) == model.predict(rows).tolist() == ["yes", "no", "yes"]


def test_a_raw_value_of_zero_of_histogram_gradient_boosting() -> None:
    points, labels = balanced()
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=1, max_depth=2)
        model.fit(points, labels)
        rows = np.array([[0.0], [1.0], [2.0]])
        assert model.decision_function(rows)[0] == 0.0
        expected = model.predict(rows).tolist()
    assert served(model, rows) == expected


@pytest.mark.parametrize("make", [DecisionTreeClassifier, lambda: RandomForestClassifier(4)])
def test_equal_shares_in_a_leaf(make: Callable[[], Any]) -> None:
    points, labels = balanced()
    # The same leaves in every tree: none is drawn from a sample.
    model = make().set_params(random_state=0)
    if "bootstrap" in model.get_params():
        model.set_params(bootstrap=False)
    model.fit(points, labels)
    rows = np.array([[0.0], [1.0], [2.0]])
    assert model.predict_proba(rows)[0].tolist() == [0.5, 0.5]
    assert served(model, rows) == model.predict(rows).tolist() == ["no", "no", "yes"]
