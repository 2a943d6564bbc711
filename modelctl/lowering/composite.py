"""Estimators made of estimators: voting, stacking, calibration, bagging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.lowering.columns import Block, join, numeric
from modelctl.lowering.graph import CannotLowerError, Graph
from modelctl.lowering.scores import (
    best_label,
    column,
    mean,
    normalised,
    scalar,
    with_complement,
)
from modelctl.lowering.walk import predict

if TYPE_CHECKING:
    from modelctl.lowering.walk import Outputs


def voting_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """Soft: the mean of probabilities; hard: the label with the most (weighted) votes."""
    members = [predict(graph, member, block) for member in model.estimators_]
    weights = model._weights_not_none
    if model.voting == "soft":
        parts = [_needed(member, "probability", "voting") for member in members]
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
    """The last estimator over what the members say."""
    return predict(graph, model.final_estimator_, _stacked(graph, model, block))


def stacking_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The last estimator over what the members say."""
    return predict(graph, model.final_estimator_, _stacked(graph, model, block))


def calibrated_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of several classifiers whose scores passed a fitted logistic function."""
    parts = [_calibrated(graph, member, block) for member in model.calibrated_classifiers_]
    probability = mean(graph, parts)
    return {"label": best_label(graph, probability), "probability": probability}


def bagging_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the members' probabilities, each over its own columns."""
    parts = []
    for member, features in zip(model.estimators_, model.estimators_features_, strict=True):
        if len(member.classes_) != model.n_classes_:
            raise CannotLowerError("bagging with a member that never saw some class")
        outputs = predict(graph, member, block.pick(graph, [int(index) for index in features]))
        parts.append(_needed(outputs, "probability", "bagging"))
    probability = mean(graph, parts)
    return {"label": best_label(graph, probability), "probability": probability}


def bagging_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of the members, each over its own columns."""
    values = [
        predict(graph, member, block.pick(graph, [int(index) for index in features]))["value"]
        for member, features in zip(model.estimators_, model.estimators_features_, strict=True)
    ]
    return {"value": mean(graph, values)}


def _stacked(graph: Graph, model: Any, block: Block) -> Block:
    """The members' answers side by side, then the original columns where they pass through."""
    parts = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        outputs = predict(graph, member, block)
        if method == "predict":
            if "value" in outputs:
                parts.append(numeric(column(graph, outputs["value"]), 1))
                continue
            raise CannotLowerError("stacking over labels")
        key = {"predict_proba": "probability", "decision_function": "decision"}[method]
        name, width = _needed(outputs, key, "stacking"), len(member.classes_)
        if width == 2:
            # Two classes: one column says it all, and only that one is passed on.
            name = graph.columns(name, [1]) if key == "probability" else name
            width = 1
        parts.append(numeric(name, width))
    return join(graph, [*parts, block] if model.passthrough else parts)


def _calibrated(graph: Graph, member: Any, block: Block) -> str:
    if member.method != "sigmoid":
        raise CannotLowerError(f"calibration by {member.method!r}")
    classes = len(member.classes)
    if len(member.estimator.classes_) != classes:
        raise CannotLowerError("calibration with a member that never saw some class")
    outputs = predict(graph, member.estimator, block)
    if hasattr(member.estimator, "decision_function"):
        scores = _needed(outputs, "decision", "calibration")
    else:
        scores = _needed(outputs, "probability", "calibration")
        scores = graph.columns(scores, [1]) if classes == 2 else scores
    slopes = graph.constant([[-calibrator.a_ for calibrator in member.calibrators]])
    shifts = graph.constant([[-calibrator.b_ for calibrator in member.calibrators]])
    moved = graph.add("Add", graph.add("Mul", scores, slopes), shifts)
    probability = graph.add("Sigmoid", moved)
    if classes == 2:
        return with_complement(graph, probability)
    return graph.add("Min", normalised(graph, probability, classes), scalar(graph, 1.0))


def _needed(outputs: Outputs, key: str, what: str) -> str:
    if key not in outputs:
        raise CannotLowerError(f"{what} over a member without an exact {key}")
    return outputs[key]
