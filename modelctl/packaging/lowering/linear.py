"""Linear models: a product with the coefficients, and each family's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.scores import (
    affine,
    best_label,
    labels_above,
    normalised,
    positive_label,
    vector,
    with_complement,
)

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def linear_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """x · coef + intercept, for one target or for several."""
    name = type(model).__name__
    if np.ndim(model.coef_) != 1 and np.shape(model.coef_)[0] != 1:
        weights = np.transpose(model.coef_)
        shifts = np.broadcast_to(np.ravel(model.intercept_), weights.shape[1:])
        return {"value": affine(graph, block, weights, shifts, name)}
    coefficients = np.reshape(model.coef_, (-1, 1))
    intercept = np.reshape(model.intercept_, (1,))
    return {"value": vector(graph, affine(graph, block, coefficients, intercept, name))}


def log_linear_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """exp(x · coef + intercept): generalised linear models with a logarithmic link."""
    return {"value": graph.add("Exp", linear_regressor(graph, model, block)["value"])}


def tweedie_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """A generalised linear model whose link follows from its power, unless it is given."""
    by_identity = model.link == "identity" or (model.link == "auto" and model.power <= 0)
    return (linear_regressor if by_identity else log_linear_regressor)(graph, model, block)


def partial_least_squares(graph: Graph, model: Any, block: Block) -> Outputs:
    """(x - mean) · coef + intercept."""
    rows = graph.add("Sub", block.numbers(type(model).__name__), graph.constant(model._x_mean))
    return linear_regressor(graph, model, block.replaced(rows))


def logistic_regression(graph: Graph, model: Any, block: Block) -> Outputs:
    """Two classes: the logistic function of the decision value; more: softmax."""
    outputs = linear_classifier(graph, model, block)
    decision = outputs["decision"]
    if len(model.classes_) == 2:
        outputs["probability"] = with_complement(graph, graph.add("Sigmoid", decision))
    else:
        outputs["probability"] = graph.add("Softmax", decision, axis=1)
    return outputs


def sgd_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Like a linear classifier; log loss and modified Huber give one-vs-rest probabilities."""
    outputs = linear_classifier(graph, model, block)
    if model.loss in ("log_loss", "modified_huber"):
        if model.loss == "log_loss":
            probability = graph.add("Sigmoid", outputs["decision"])
        else:
            low, high = (graph.constant(np.float64(bound)) for bound in (-1, 1))
            moved = graph.add("Clip", outputs["decision"], low, high)
            moved = graph.add("Add", moved, graph.constant(np.float64(1)))
            probability = graph.add("Div", moved, graph.constant(np.float64(2)))
        if len(model.classes_) == 2:
            outputs["probability"] = with_complement(graph, probability)
        else:
            outputs["probability"] = normalised(graph, probability, len(model.classes_))
    return outputs


def linear_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """A label from the sign or the largest of the decision values; no probabilities."""
    decision = affine(
        graph,
        block,
        np.transpose(model.coef_),
        np.atleast_1d(model.intercept_),
        type(model).__name__,
    )
    binarizer = getattr(model, "_label_binarizer", None)
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        return {"label": labels_above(graph, decision), "decision": decision}
    if len(model.classes_) == 2:
        return {"label": positive_label(graph, decision), "decision": decision}
    return {"label": best_label(graph, decision), "decision": decision}
