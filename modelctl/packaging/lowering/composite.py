"""Meta-estimators: voting, stacking, bagging, boosting, and wrappers around one estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering import functions, several
from modelctl.packaging.lowering.columns import Block, join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError, Graph
from modelctl.packaging.lowering.scores import (
    best_label,
    column,
    mean,
    normalised,
    positive_label,
    scalar,
    vector,
    with_complement,
)
from modelctl.packaging.lowering.walk import predict

if TYPE_CHECKING:
    from modelctl.packaging.lowering.walk import Outputs


def voting_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Soft: the mean of probabilities; hard: the label with the most (weighted) votes."""
    members = [predict(graph, member, block) for member in model.estimators_]
    weights = model._weights_not_none
    if model.voting == "soft":
        parts = [require_output(member, "probability", "voting") for member in members]
        probability = mean(graph, parts, weights)
        return {"label": best_label(graph, probability), "probability": probability}
    classes = graph.integers([list(range(len(model.classes_)))])
    votes = []
    for member in members:
        labels = graph.add("Reshape", member["label"], graph.integers([-1, 1]))
        votes.append(graph.double(graph.add("Equal", labels, classes)))
    return {"label": best_label(graph, mean(graph, votes, weights))}


def voting_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The (weighted) mean of the members."""
    values = [predict(graph, member, block)["value"] for member in model.estimators_]
    return {"value": mean(graph, values, model._weights_not_none)}


def stacking_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The final estimator on the members' outputs."""
    return predict(graph, model.final_estimator_, _stacked(graph, model, block))


def stacking_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The final estimator on the members' outputs."""
    return predict(graph, model.final_estimator_, _stacked(graph, model, block))


def bagging_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the members' probabilities, each over its own columns."""
    parts = []
    for member, features in zip(model.estimators_, model.estimators_features_, strict=True):
        if len(member.classes_) != model.n_classes_:
            raise CannotLowerError("bagging with a member that was not fitted on every class")
        outputs = predict(graph, member, block.pick(graph, [int(index) for index in features]))
        parts.append(require_output(outputs, "probability", "bagging"))
    probability = mean(graph, parts)
    return {"label": best_label(graph, probability), "probability": probability}


def bagging_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the members, each over its own columns."""
    values = [
        predict(graph, member, block.pick(graph, [int(index) for index in features]))["value"]
        for member, features in zip(model.estimators_, model.estimators_features_, strict=True)
    ]
    return {"value": mean(graph, values)}


def transformed_target(graph: Graph, model: Any, block: Block) -> Outputs:
    """The regressor's output, transformed back to the target's scale."""
    value = predict(graph, model.regressor_, block)["value"]
    if getattr(model.transformer_, "n_features_in_", 1) > 1:
        return {"value": functions.inverse(graph, model.transformer_, value)}
    values = column(graph, value)
    return {"value": vector(graph, functions.inverse(graph, model.transformer_, values))}


def threshold_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """A binary classifier with another decision threshold than one half."""
    outputs = predict(graph, model.estimator_, block)
    threshold = getattr(model, "best_threshold_", getattr(model, "threshold", "auto"))
    method = model.response_method
    use_probability = method == "predict_proba" or (method == "auto" and "probability" in outputs)
    if use_probability:
        scores = graph.columns(require_output(outputs, "probability", "a threshold"), [1])
    else:
        scores = require_output(outputs, "decision", "a threshold")
    scorer = getattr(model, "_curve_scorer", None)
    positive = model.pos_label if scorer is None else scorer._get_pos_label()
    if positive is not None and positive != model.classes_[1]:
        raise CannotLowerError(f"{type(model).__name__} for the class {positive!r}")
    if threshold == "auto":
        threshold = 0.5 if use_probability else 0.0
    at_least = graph.add("GreaterOrEqual", vector(graph, scores), scalar(graph, float(threshold)))
    return outputs | {"label": graph.integer(at_least)}


def ada_boost_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Weighted votes of the members, through softmax."""
    classes = len(model.classes_)
    total = ""
    for member, weight in zip(model.estimators_, model.estimator_weights_, strict=False):
        if not np.array_equal(member.classes_, model.classes_):
            raise CannotLowerError(
                "AdaBoostClassifier with a member that was not fitted on every class"
            )
        label = graph.add(
            "Reshape", predict(graph, member, block)["label"], graph.integers([-1, 1])
        )
        chosen = graph.add("Equal", label, graph.integers([list(range(classes))]))
        other = scalar(graph, -1 / (classes - 1) * weight)
        vote = graph.add("Where", chosen, scalar(graph, weight), other)
        total = graph.add("Add", total, vote) if total else vote
    scores = graph.add("Div", total, scalar(graph, float(np.sum(model.estimator_weights_))))
    if classes == 2:
        # scikit-learn's decision value is the sum over both columns, the first one negated.
        signs = graph.constant([[-1.0], [1.0]])
        decision = graph.add("MatMul", scores, signs)
        half = graph.add("Div", decision, scalar(graph, 2.0))
        scores = graph.concat([graph.add("Neg", half), half])
        outputs = {"label": positive_label(graph, decision), "decision": decision}
    else:
        outputs = {"label": best_label(graph, scores), "decision": scores}
        scores = graph.add("Div", scores, scalar(graph, float(classes - 1)))
    return outputs | {"probability": graph.add("Softmax", scores, axis=1)}


def one_vs_rest(graph: Graph, model: Any, block: Block) -> Outputs:
    """One classifier per class; the highest score wins."""
    members = [predict(graph, member, block) for member in model.estimators_]
    outputs: Outputs = {}
    if hasattr(model.estimators_[0], "decision_function"):
        scores = [require_output(member, "decision", "one-vs-rest") for member in members]
        threshold = 0.0
    else:
        probabilities = [require_output(member, "probability", "one-vs-rest") for member in members]
        scores = [graph.columns(probability, [1]) for probability in probabilities]
        threshold = 0.5
    joined = graph.concat(scores)
    if model.multilabel_:
        return several.one_vs_rest_labels(graph, members, joined, threshold)
    if len(members) == 1:
        outputs["label"] = positive_label(graph, joined, threshold=threshold)
    else:
        outputs["label"] = best_label(graph, joined)
    if threshold == 0.0:
        outputs["decision"] = joined
    if all("probability" in member for member in members):
        parts = [graph.columns(member["probability"], [1]) for member in members]
        positive = graph.concat(parts)
        outputs["probability"] = (
            normalised(graph, positive, len(parts))
            if len(parts) > 1
            else with_complement(graph, positive)
        )
    return outputs


def _stacked(graph: Graph, model: Any, block: Block) -> Block:
    """The members' outputs side by side, then the original columns with `passthrough`."""
    parts = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        outputs = predict(graph, member, block)
        if method == "predict":
            if "value" in outputs:
                parts.append(numeric(column(graph, outputs["value"]), 1))
                continue
            raise CannotLowerError("stacking on labels")
        key = {"predict_proba": "probability", "decision_function": "decision"}[method]
        name, width = require_output(outputs, key, "stacking"), len(member.classes_)
        if width == 2:
            # Two classes: scikit-learn passes on one column only.
            name = graph.columns(name, [1]) if key == "probability" else name
            width = 1
        parts.append(numeric(name, width))
    return join(graph, [*parts, block] if model.passthrough else parts)


def require_output(outputs: Outputs, key: str, what: str) -> str:
    """An output that not every member has. Raises CannotLowerError if it is missing."""
    if key not in outputs:
        raise CannotLowerError(f"{what} with a member without an exact {key}")
    return outputs[key]
