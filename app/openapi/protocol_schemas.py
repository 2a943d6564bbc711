"""JSON Schemas of the V1 and V2 bodies of one model, for its OpenAPI document.

What JSON Schema cannot say (as many rows in every tensor, elements as the shape says) is said in
words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.openapi.contract_schemas import (
    Schema,
    closed,
    label_schema,
    probability_schema,
    ref,
    rows_schema,
)
from app.protocols.tensors import DATATYPES

if TYPE_CHECKING:
    from app.model.contract import Contract

ANY_OBJECT: Schema = {"type": ["object", "null"], "description": "Unknown ones are ignored."}
TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
NULLABLE_TEXT: Schema = {"type": ["string", "null"]}


def v1_schemas(name: str, contract: Contract, max_rows: int, signatures: tuple[str, ...]) -> Schema:
    """Bodies of the V1 protocol."""
    values: list[Schema] = [label_schema(contract.output)]
    if contract.output.probabilities:
        values.append(probability_schema(contract.output))
    state = closed(
        {
            "version": TEXT,
            "state": {"enum": ["AVAILABLE", "LOADING"]},
            "status": closed({"error_code": TEXT, "error_message": TEXT}),
        }
    )
    signature = {
        "description": "What to answer: labels or numbers (the default), or probabilities.",
        "enum": [*signatures, None],
    }
    return {
        "V1Models": closed({"models": {"type": "array", "items": {"const": name}}}),
        "V1Status": closed(
            {
                "name": {"const": name},
                "ready": TRUTH,
                "model_version_status": {"type": "array", "items": state},
            }
        ),
        "V1Request": {
            "type": "object",
            "required": ["instances"],
            "properties": {"instances": rows_schema(max_rows), "signature_name": signature},
        },
        "V1Response": closed(
            {
                "predictions": {"type": "array", "items": {"anyOf": values}},
                "model_version": TEXT,
                "request_id": TEXT,
            }
        ),
    }


def v2_schemas(name: str, contract: Contract, outputs: list[str]) -> Schema:
    """Bodies of the V2 protocol."""
    whole: Schema = {"type": "integer", "minimum": 0}
    sides: Schema = {"type": "array", "items": whole}
    described: Schema = {"name": TEXT, "datatype": {"enum": list(DATATYPES)}, "shape": sides}
    names = list(contract.names)
    any_name = all(feature.dtype != "string" for feature in contract.inputs)
    matrix = f" or of one tensor [n, {len(names)}] of all features" if any_name else ""
    announced = {"type": "array", "items": closed({**described, "shape": _announced_shape()})}
    return {
        "V2Server": closed(
            {"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}}
        ),
        "V2Live": closed({"live": TRUTH}),
        "V2Ready": closed({"ready": TRUTH}),
        "V2ModelReady": closed({"name": {"const": name}, "ready": TRUTH}),
        "V2Metadata": closed(
            {
                "name": {"const": name},
                "versions": {"type": "array", "items": TEXT},
                "platform": TEXT,
                "inputs": announced,
                "outputs": announced,
            }
        ),
        "V2Tensor": {
            "type": "object",
            "description": "As many rows in every tensor, and as many elements as the shape says.",
            "required": ["name", "datatype", "shape", "data"],
            "properties": {
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "description": f"The name of a feature{matrix}: {', '.join(names)}.",
                },
                "datatype": described["datatype"],
                "shape": {**sides, "minItems": 1, "maxItems": 2},
                "data": {"type": "array", "description": "Flat, or nested as the shape."},
                "parameters": ANY_OBJECT,
            },
        },
        "V2Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {**NULLABLE_TEXT, "description": "Comes back with the answer."},
                "parameters": ANY_OBJECT,
                "inputs": {"type": "array", "minItems": 1, "items": ref("V2Tensor")},
                "outputs": {
                    "type": ["array", "null"],
                    "description": "The outputs wanted; all when there are none.",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"enum": outputs}, "parameters": ANY_OBJECT},
                    },
                },
            },
        },
        "V2Response": {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "additionalProperties": False,
            "properties": {
                "model_name": {"const": name},
                "model_version": TEXT,
                "id": TEXT,
                "outputs": {"type": "array", "items": _output(described)},
            },
        },
    }


def v2_example(row: list[Any], announced: list[dict[str, Any]]) -> Schema:
    """A request of one row, one tensor per feature."""
    inputs = [
        {"name": entry["name"], "datatype": entry["datatype"], "shape": [1], "data": [value]}
        for entry, value in zip(announced, row, strict=True)
    ]
    return {"id": "example", "inputs": inputs}


def _announced_shape() -> Schema:
    return {"type": "array", "items": {"type": "integer", "minimum": -1}}


def _output(described: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(described),
        "additionalProperties": False,
        "properties": {
            **described,
            "data": {"type": "array", "description": "Flat, in row-major order."},
            "parameters": {"type": "object", "description": "binary_data_size of raw data."},
        },
    }
