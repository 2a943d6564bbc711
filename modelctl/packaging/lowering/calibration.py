"""Calibrated classifiers: scores mapped by a fitted curve, averaged over the members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering.composite import require_output
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.piecewise import isotonic
from modelctl.packaging.lowering.scores import best_label, mean, normalised, scalar, with_complement
from modelctl.packaging.lowering.walk import predict, unwrapped

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def calibrated_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """The mean of several classifiers whose scores are mapped by a fitted curve."""
    parts = [_calibrated(graph, member, block) for member in model.calibrated_classifiers_]
    probability = mean(graph, parts)
    return {"label": best_label(graph, probability), "probability": probability}


def _calibrated(graph: Graph, member: Any, block: Block) -> str:
    classes = len(member.classes)
    if len(member.estimator.classes_) != classes:
        raise CannotLowerError("calibration with a member that was not fitted on every class")
    outputs = predict(graph, member.estimator, block)
    by_decision = hasattr(unwrapped(member.estimator), "decision_function")
    if by_decision:
        scores = require_output(outputs, "decision", "calibration")
    else:
        scores = require_output(outputs, "probability", "calibration")
    if member.method == "temperature":
        return _tempered(graph, member.calibrators[0], scores, classes, by_decision)
    if classes == 2 and not by_decision:
        scores = graph.columns(scores, [1])
    if member.method == "isotonic":
        width = len(member.calibrators)
        columns = [graph.columns(scores, [at]) for at in range(width)] if width > 1 else [scores]
        pairs = zip(member.calibrators, columns, strict=True)
        probability = graph.concat([isotonic(graph, curve, column) for curve, column in pairs])
    elif member.method == "sigmoid":
        slopes = graph.constant([[-calibrator.a_ for calibrator in member.calibrators]])
        shifts = graph.constant([[-calibrator.b_ for calibrator in member.calibrators]])
        moved = graph.add("Add", graph.add("Mul", scores, slopes), shifts)
        probability = graph.add("Sigmoid", moved)
    else:
        raise CannotLowerError(f"calibration by {member.method!r}")
    if classes == 2:
        return with_complement(graph, probability)
    return graph.add("Min", normalised(graph, probability, classes), scalar(graph, 1.0))


def _tempered(graph: Graph, curve: Any, scores: str, classes: int, by_decision: bool) -> str:
    """Softmax of the scores (logarithms, for probabilities) times one fitted factor."""
    if not by_decision:
        scores = graph.add("Log", graph.add("Add", scores, scalar(graph, 1e-12)))
    elif classes == 2:
        scores = graph.concat([graph.add("Neg", scores), scores])
    sharpened = graph.add("Mul", scores, scalar(graph, float(curve.beta_)))
    return graph.add("Softmax", sharpened, axis=1)
