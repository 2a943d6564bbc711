"""The contract's inputs as JSON Schema, and what all schemas share, for OpenAPI and the page.

A schema states exactly what `validation` enforces. Ranges in training are informative, so they are
in `x-training-range` and the description, never in `minimum` and `maximum`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.model.converters import MAX_FLOAT, MAX_INTEGER

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.feature import Feature

Schema = dict[str, Any]
TYPES: dict[str, list[str]] = {
    "float": ["number"],
    "integer": ["integer"],
    "boolean": ["boolean"],
    "string": ["string"],
    "datetime": ["string", "integer"],
}
LIMITS = {"float": MAX_FLOAT, "integer": MAX_INTEGER}


def ref(name: str) -> Schema:
    """A reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def feature_schema(feature: Feature, example: Any) -> Schema:
    """The schema of one feature, with its range in training and an example value."""
    nullable = feature.missing == "allow"
    kinds = [*TYPES[feature.dtype], *(["null"] if nullable else [])]
    schema: Schema = {"type": kinds if len(kinds) > 1 else kinds[0], "examples": [example]}
    texts = [feature.description] if feature.description else []
    if feature.listed is not None:
        schema["enum"] = [*feature.listed, *([None] if nullable else [])]
        texts.append("One of the categories in training.")
    if feature.dtype == "datetime":
        texts.append(
            "A time in ISO 8601 (UTC unless it has an offset), or milliseconds since 1970."
        )
    if feature.dtype in LIMITS:
        low, high = feature.range or (None, None)
        limit = LIMITS[feature.dtype]
        schema["minimum"] = -limit if low is None else low
        schema["maximum"] = limit if high is None else high
    if feature.min is not None and feature.max is not None and not feature.sensitive:
        schema["x-training-range"] = [feature.min, feature.max]
        texts.append(f"Range in training: {feature.min:g} to {feature.max:g}.")
    if nullable:
        texts.append("null if the value is missing.")
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
        "additionalProperties": contract.extra == "ignore",
        "properties": {**features, **dict.fromkeys(contract.ignored, True)},
        "examples": [dict(zip(contract.names, example, strict=True))],
    }
    positional = {
        "type": "array",
        "description": f"Values in this order: {', '.join(contract.names)}.",
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
    """Escape a key for a JSON pointer in a URI fragment."""
    return quote(key.replace("~", "~0").replace("/", "~1"), safe="~")


def rows_schema(max_rows: int) -> Schema:
    """The rows of one request."""
    return {"type": "array", "minItems": 1, "maxItems": max_rows, "items": ref("Row")}


def closed_object(properties: dict[str, Schema]) -> Schema:
    """An object with exactly these keys, all required."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def problem_schemas() -> dict[str, Schema]:
    """A problem document (RFC 9457), and the same with `error` for V1 and V2 clients."""
    loc = {"type": "array", "items": {"type": ["string", "integer"]}}
    problem: dict[str, Schema] = {
        "type": {"type": "string", "description": "Stable identifier of the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every invalid field, at most 100.",
            "items": closed_object({"loc": loc, "msg": {"type": "string"}}),
        },
        "request_id": {"type": "string"},
    }
    text = {"type": "string", "description": "Title and details as one string."}
    example = {
        "type": "object",
        "description": "A correct body, if the body was the problem and this one is not too large.",
    }

    def with_example(properties: dict[str, Schema]) -> Schema:
        closed = closed_object(properties)
        return {**closed, "properties": {**properties, "example": example}}

    return {
        "Problem": with_example(problem),
        "ProtocolProblem": with_example({**problem, "error": text}),
    }
