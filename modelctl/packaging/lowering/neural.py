"""Multi-layer perceptrons: products, activations, and the output's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import (
    best_label,
    labels_above,
    positive_label,
    vector,
    with_complement,
    with_complements,
)

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.walk import Outputs

ACTIVATIONS = {"relu": "Relu", "logistic": "Sigmoid", "tanh": "Tanh", "identity": ""}


def classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Two classes: one logistic output; more: softmax; several labels: one logistic output each."""
    raw = _forward(graph, model, block)
    if model.out_activation_ == "logistic" and model.n_outputs_ == 1:
        positive = graph.add("Sigmoid", raw)
        label = positive_label(graph, positive, threshold=0.5)
        return {"label": label, "probability": with_complement(graph, positive)}
    if model.out_activation_ == "softmax":
        probability = graph.add("Softmax", raw, axis=1)
        return {"label": best_label(graph, probability), "probability": probability}
    if model.out_activation_ == "logistic":
        positive = graph.add("Sigmoid", raw)
        probability = with_complements(graph, positive, model.n_outputs_)
        return {"label": labels_above(graph, positive, 0.5), "probability": probability}
    raise CannotLowerError(f"MLPClassifier with output {model.out_activation_!r}")


def regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The outputs as they are (or their exponential, for a Poisson loss)."""
    raw = _forward(graph, model, block)
    raw = vector(graph, raw) if model.n_outputs_ == 1 else raw
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
