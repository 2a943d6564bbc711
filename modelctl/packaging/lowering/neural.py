"""Multi-layer perceptrons: products, activations, and the output's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import best_label, positive_label, vector, with_complement

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.walk import Outputs

ACTIVATIONS = {"relu": "Relu", "logistic": "Sigmoid", "tanh": "Tanh", "identity": ""}


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Two classes: one logistic output; more: softmax."""
    raw = _forward(graph, model, block)
    if model.out_activation_ == "logistic" and model.n_outputs_ == 1:
        positive = graph.add("Sigmoid", raw)
        label = positive_label(graph, positive, threshold=0.5)
        return {"label": label, "probability": with_complement(graph, positive)}
    if model.out_activation_ == "softmax":
        probability = graph.add("Softmax", raw, axis=1)
        return {"label": best_label(graph, probability), "probability": probability}
    raise CannotLowerError("MLPClassifier with multilabel output")


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The single output as it is (or its exponential, for a Poisson loss)."""
    if model.n_outputs_ != 1:
        raise CannotLowerError("MLPRegressor with several targets")
    raw = vector(graph, _forward(graph, model, block))
    if model.out_activation_ == "identity":
        return {"value": raw}
    if model.out_activation_ == "exp":
        return {"value": graph.add("Exp", raw)}
    raise CannotLowerError(f"MLPRegressor with output {model.out_activation_!r}")


def _forward(graph: Graph, model: Any, block: Block) -> str:
    """The raw output of the last layer."""
    result = block.numbers(type(model).__name__)
    activation = ACTIVATIONS[model.activation]
    last = len(model.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        product = graph.add("MatMul", result, graph.constant(weights))
        result = graph.add("Add", product, graph.constant(bias))
        if layer != last and activation:
            result = graph.add(activation, result)
    return result
