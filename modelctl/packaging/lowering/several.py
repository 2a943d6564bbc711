"""Estimators of several targets that have one estimator for each, side by side or in a chain.

Families that know several targets themselves (trees, linear models, nearest neighbors, perceptrons)
are translated where their single target is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.columns import join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import column, labels_above, vector, with_complements
from modelctl.packaging.lowering.walk import predict

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph
    from modelctl.packaging.lowering.walk import Outputs


def multi_output_regressor(graph: Graph, model: Any, block: Block) -> Outputs:
    """One regressor per target."""
    values = [predict(graph, member, block)["value"] for member in model.estimators_]
    return {"value": _joined(graph, [column(graph, value) for value in values])}


def multi_output_classifier(graph: Graph, model: Any, block: Block) -> Outputs:
    """One classifier per target."""
    members = [predict(graph, member, block) for member in model.estimators_]
    return _side_by_side(graph, members)


def regressor_chain(graph: Graph, model: Any, block: Block) -> Outputs:
    """Each regressor also gets the numbers of those before it."""
    values: list[str] = []
    for member in model.estimators_:
        value = column(graph, predict(graph, member, block)["value"])
        values.append(value)
        block = join(graph, [block, numeric(value, 1)])
    return {"value": _joined(graph, [values[at] for at in _places(model)])}


def classifier_chain(graph: Graph, model: Any, block: Block) -> Outputs:
    """Each classifier also gets what those before it answered, by `chain_method`."""
    method = model.chain_method_
    members = []
    for member in model.estimators_:
        outputs = predict(graph, member, block)
        members.append(outputs)
        block = join(graph, [block, numeric(_passed_on(graph, member, outputs, method), 1)])
    ordered = [members[at] for at in _places(model)]
    outputs = _side_by_side(graph, ordered)
    if all("decision" in member for member in ordered):
        outputs["decision"] = graph.concat([member["decision"] for member in ordered])
    return outputs


def one_vs_rest_labels(
    graph: Graph, members: list[Outputs], scores: str, threshold: float
) -> Outputs:
    """One classifier per label, which is present where its score is above the threshold."""
    outputs = {"label": labels_above(graph, scores, threshold)}
    if all("decision" in member for member in members):
        outputs["decision"] = graph.concat([member["decision"] for member in members])
    if all("probability" in member for member in members):
        positive = graph.concat([graph.columns(member["probability"], [1]) for member in members])
        outputs["probability"] = with_complements(graph, positive, len(members))
    return outputs


def _joined(graph: Graph, values: list[str]) -> str:
    """[n, targets]; [n] for a single one, as every other regressor has it."""
    return graph.concat(values) if len(values) > 1 else vector(graph, values[0])


def _side_by_side(graph: Graph, members: list[Outputs]) -> Outputs:
    outputs = {"label": graph.concat([column(graph, member["label"]) for member in members])}
    if all("probability" in member for member in members):
        outputs["probability"] = graph.concat([member["probability"] for member in members])
    return outputs


def _passed_on(graph: Graph, member: Any, outputs: Outputs, method: str) -> str:
    """[n, 1]: what a classifier tells the next ones of the chain."""
    if method == "predict":
        classes = graph.constant(np.asarray(member.classes_, dtype=np.float64))
        return column(graph, graph.add("Gather", classes, outputs["label"], axis=0))
    if len(member.classes_) == 2 and method == "predict_proba" and "probability" in outputs:
        return graph.columns(outputs["probability"], [1])
    if len(member.classes_) == 2 and method == "decision_function" and "decision" in outputs:
        return outputs["decision"]
    raise CannotLowerError(f"ClassifierChain(chain_method={method!r})")


def _places(model: Any) -> list[int]:
    """The place in the chain of every target."""
    places: list[int] = np.argsort(np.asarray(model.order_)).tolist()
    return places
