"""The contract as JSON Schema: what this very model accepts and gives, for OpenAPI and the page.

A schema says exactly what `validation` enforces. Ranges seen in training inform and do not refuse,
so they stand in `x-training-range` and in the description, never as `minimum` and `maximum`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.model.validation import LARGEST_FLOAT, LARGEST_INTEGER

if TYPE_CHECKING:
    from app.model.contract import Contract, Feature, Output

Schema = dict[str, Any]
TYPES = {"float": "number", "integer": "integer", "boolean": "boolean", "string": "string"}
LIMITS = {"float": LARGEST_FLOAT, "integer": LARGEST_INTEGER}


def ref(name: str) -> Schema:
    """A reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def feature_schema(feature: Feature, example: Any) -> Schema:
    """What one feature accepts, what training saw of it, and a value from the sample."""
    nullable = feature.missing == "allow"
    kind = TYPES[feature.dtype]
    schema: Schema = {"type": [kind, "null"] if nullable else kind, "examples": [example]}
    texts = []
    if feature.categories is not None:
        schema["enum"] = [*feature.categories, *([None] if nullable else [])]
        texts.append("One of the categories that training saw.")
    if feature.dtype in LIMITS:
        schema["minimum"], schema["maximum"] = -LIMITS[feature.dtype], LIMITS[feature.dtype]
    if feature.min is not None and feature.max is not None:
        schema["x-training-range"] = [feature.min, feature.max]
        texts.append(f"Training saw {feature.min:g} to {feature.max:g}.")
    if nullable:
        texts.append("null when the value is missing.")
    if texts:
        schema["description"] = " ".join(texts)
    return schema


def row_schemas(contract: Contract, example: list[Any]) -> dict[str, Schema]:
    """A row by name, a row by position, and either."""
    features = {
        feature.name: feature_schema(feature, value)
        for feature, value in zip(contract.inputs, example, strict=True)
    }
    named = {
        "type": "object",
        "description": "One value per feature.",
        "required": list(contract.names),
        "additionalProperties": False,
        "properties": features,
        "examples": [dict(zip(contract.names, example, strict=True))],
    }
    positional = {
        "type": "array",
        "description": f"The values in this order: {', '.join(contract.names)}.",
        "minItems": len(features),
        "maxItems": len(features),
        "prefixItems": [
            {"$ref": f"#/components/schemas/NamedRow/properties/{pointer(name)}"}
            for name in contract.names
        ],
        "examples": [example],
    }
    return {
        "NamedRow": named,
        "PositionalRow": positional,
        "Row": {"oneOf": [ref("NamedRow"), ref("PositionalRow")]},
    }


def pointer(key: str) -> str:
    """A key as one step of a JSON pointer inside a URI."""
    return quote(key.replace("~", "~0").replace("/", "~1"), safe="~")


def rows_schema(max_rows: int) -> Schema:
    """The rows of one request."""
    return {"type": "array", "minItems": 1, "maxItems": max_rows, "items": ref("Row")}


def label_schema(output: Output) -> Schema:
    """One predicted class or number."""
    if output.classes is not None:
        return {"enum": list(output.classes), "description": f"The predicted {output.target}."}
    return {"type": "number", "description": f"The predicted {output.target}."}


def probability_schema(output: Output) -> Schema:
    """The probabilities of one row."""
    classes = output.classes or ()
    return {
        "type": "array",
        "description": f"One probability per class, in this order: {', '.join(map(str, classes))}.",
        "minItems": len(classes),
        "maxItems": len(classes),
        "items": {"type": "number"},
        "x-classes": list(classes),
    }


def prediction_schemas(output: Output) -> dict[str, Schema]:
    """The answers of /predict: for one row, and for rows."""
    row: Schema = {"prediction": label_schema(output)}
    if output.probabilities:
        row["probability"] = probability_schema(output)
        row["confidence"] = {"type": "number", "description": "The highest probability."}
    trace = {"model_version": {"type": "string"}, "request_id": {"type": "string"}}
    rows = {"type": "array", "items": closed(row)}
    return {
        "Prediction": closed({**row, **trace}),
        "Predictions": closed({"predictions": rows, **trace}),
    }


def closed(properties: dict[str, Schema]) -> Schema:
    """An object that has exactly these keys."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def problem_schemas() -> dict[str, Schema]:
    """A problem document (RFC 9457), and the same with `error` as V1 and V2 clients read it."""
    place = {"type": "array", "items": {"type": ["string", "integer"]}}
    problem: dict[str, Schema] = {
        "type": {"type": "string", "description": "A stable word for this kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every wrong place, at most 100.",
            "items": closed({"loc": place, "msg": {"type": "string"}}),
        },
        "request_id": {"type": "string"},
    }
    text = {"type": "string", "description": "All of it as one text."}
    return {"Problem": closed(problem), "ProtocolProblem": closed({**problem, "error": text})}
