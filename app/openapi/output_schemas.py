"""The contract's output as JSON Schema: what each protocol answers for one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.openapi.contract_schemas import Schema, closed_object
from app.protocols.answers import PREDICT_PROBA, method_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.model.contract import Label, Output

KINDS = {
    "cluster": "The number of the row's cluster.",
    "anomaly": "1 for an inlier, -1 for an outlier.",
}
SCORES = {
    "decision_function": "The decision function: positive for the positive class.",
    "score_samples": "The score of the row: the lower, the more abnormal.",
}
ANOMALY = "The decision function: negative for an outlier; the lower, the more abnormal."


def prediction_schemas(output: Output) -> dict[str, Schema]:
    """The responses of /predict: for one row and for several."""
    row = row_answer(output)
    trace = {"model_version": {"type": "string"}, "request_id": {"type": "string"}}
    rows = {"type": "array", "items": closed_object(row)}
    answers = {"type": "array", "items": answer_schema(output)}
    return {
        "Prediction": closed_object({**row, **trace}),
        "Predictions": closed_object({"predictions": rows, **trace}),
        "InvocationsResponse": closed_object({"predictions": answers, **trace}),
    }


def row_answer(output: Output) -> dict[str, Schema]:
    """What /predict answers for a row, by key."""
    row: Schema = {"prediction": answer_schema(output)}
    if output.probabilities:
        row["probability"] = probability_schema(output)
        row["confidence"] = _confidence(output)
    if output.scores:
        row[output.score_name] = score_schema(output)
    return row


def method_schemas(output: Output) -> list[Schema]:
    """What V1 answers for a row, for each method that a client can choose."""
    schemas = []
    for name in method_names(output):
        if name == PREDICT_PROBA:
            schemas.append(probability_schema(output))
        elif name == output.scores:
            schemas.append(score_schema(output))
        else:
            schemas.append(answer_schema(output))
    return schemas


def answer_schema(output: Output) -> Schema:
    """The answer itself: a label or number, one for each target, or a vector."""
    if output.kind == "transformer":
        return number_list(output.width or 0, "The transformed row.")
    if output.targets:
        return closed_object({part.name: _value(part.name, part.classes) for part in output.parts})
    schema = _value(output.target, output.classes)
    if output.kind in KINDS:
        schema["description"] = KINDS[output.kind]
    return schema


def probability_schema(output: Output) -> Schema:
    """The probabilities of one row."""
    parts = {part.name: _shares(part.classes or ()) for part in output.parts}
    return closed_object(parts) if output.targets else next(iter(parts.values()))


def score_schema(output: Output) -> Schema:
    """The scores of one row."""
    text = ANOMALY if output.kind == "anomaly" else SCORES[str(output.scores)]
    if output.targets:
        number: Schema = {"type": "number", "description": text}
        return closed_object({part.name: number for part in output.parts})
    if output.width is None:
        return {"type": "number", "description": text}
    if output.width == len(output.classes or ()):
        listed = ", ".join(map(str, output.classes or ()))
        return number_list(output.width, f"The decision function, one number per class: {listed}.")
    return number_list(output.width, "The decision function.")


def _confidence(output: Output) -> Schema:
    highest: Schema = {"type": "number", "description": "The highest of the probabilities."}
    if not output.targets:
        return highest
    return closed_object({part.name: highest for part in output.parts})


def _value(name: str, classes: Sequence[Label] | None) -> Schema:
    description = f"The predicted {name}."
    if classes is None:
        return {"type": "number", "description": description}
    return {"enum": list(classes), "description": description}


def _shares(classes: Sequence[Label]) -> Schema:
    text = f"One probability per class, in this order: {', '.join(map(str, classes))}."
    return {**number_list(len(classes), text), "x-classes": list(classes)}


def number_list(count: int, description: str) -> dict[str, Any]:
    """A list of exactly so many numbers."""
    return {
        "type": "array",
        "description": description,
        "minItems": count,
        "maxItems": count,
        "items": {"type": "number"},
    }
