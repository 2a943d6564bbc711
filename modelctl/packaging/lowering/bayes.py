"""Naive Bayes: the joint log likelihood of every class, and its softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.scores import affine, best_label, scalar

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def gaussian(graph: Graph, model: Any, block: Block) -> Outputs:
    """log prior + log density of every feature under each class."""
    rows = graph.add("Unsqueeze", block.numbers("GaussianNB"), graph.integers([1]))
    distance = graph.add("Sub", rows, graph.constant(model.theta_))
    squared = graph.add("Mul", distance, distance)
    scaled = graph.add("Div", squared, graph.constant(model.var_))
    total = graph.add("ReduceSum", scaled, graph.integers([2]), keepdims=0)
    constant = np.log(model.class_prior_) - 0.5 * np.sum(np.log(2.0 * np.pi * model.var_), axis=1)
    half = graph.add("Mul", total, scalar(graph, -0.5))
    return _posterior(graph, graph.add("Add", half, graph.constant(constant)))


def multinomial(graph: Graph, model: Any, block: Block) -> Outputs:
    """x · log probabilities + log prior."""
    weights = model.feature_log_prob_.T
    name = "MultinomialNB"
    return _posterior(graph, affine(graph, block, weights, model.class_log_prior_, name))


def bernoulli(graph: Graph, model: Any, block: Block) -> Outputs:
    """Like multinomial on 0/1 columns, but absent features contribute as well."""
    if model.binarize is not None:
        above = graph.add("Greater", block.numbers("BernoulliNB"), scalar(graph, model.binarize))
        block = block.replaced(graph.double(above))
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    weights = (model.feature_log_prob_ - absent).T
    constant = model.class_log_prior_ + absent.sum(axis=1)
    return _posterior(graph, affine(graph, block, weights, constant, "BernoulliNB"))


def _posterior(graph: Graph, joint: str) -> Outputs:
    return {"label": best_label(graph, joint), "probability": graph.add("Softmax", joint, axis=1)}
