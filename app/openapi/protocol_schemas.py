"""JSON Schemas of the V1 and V2 bodies of one model, for its OpenAPI document.

Descriptions state what JSON Schema cannot express: equal numbers of rows, elements that match the
shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.openapi.contract_schemas import (
    Schema,
    closed_object,
    ref,
    rows_schema,
)
from app.openapi.output_schemas import method_schemas
from app.protocols.tensors import DATATYPES

if TYPE_CHECKING:
    from app.model.contract import Contract

ANY_OBJECT: Schema = {"type": ["object", "null"], "description": "Unknown parameters are ignored."}
TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
NULLABLE_TEXT: Schema = {"type": ["string", "null"]}


def v1_schemas(name: str, contract: Contract, max_rows: int, signatures: tuple[str, ...]) -> Schema:
    """Bodies of the V1 protocol."""
    state = closed_object(
        {
            "version": TEXT,
            "state": {"enum": ["AVAILABLE", "LOADING"]},
            "status": closed_object({"error_code": TEXT, "error_message": TEXT}),
        }
    )
    signature = {
        "description": "Output: the answer itself (the default), or another one of the model's.",
        "enum": [*signatures, None],
    }
    return {
        "V1Models": closed_object({"models": {"type": "array", "items": {"const": name}}}),
        "V1Status": closed_object(
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
        "V1Response": closed_object(
            {
                "predictions": {
                    "type": "array",
                    "items": {"anyOf": method_schemas(contract.output)},
                },
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
    tensors = {"type": "array", "items": closed_object({**described, "shape": _announced_shape()})}
    return {
        "V2Server": closed_object(
            {"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}}
        ),
        "V2Live": closed_object({"live": TRUTH}),
        "V2Ready": closed_object({"ready": TRUTH}),
        "V2ModelReady": closed_object({"name": {"const": name}, "ready": TRUTH}),
        "V2Metadata": closed_object(
            {
                "name": {"const": name},
                "versions": {"type": "array", "items": TEXT},
                "platform": TEXT,
                "inputs": tensors,
                "outputs": tensors,
            }
        ),
        "V2Tensor": {
            "type": "object",
            "description": "All tensors have the same number of rows; elements match the shape.",
            "required": ["name", "datatype", "shape", "data"],
            "properties": {
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "description": f"Name of a feature{matrix}: {', '.join(names)}.",
                },
                "datatype": described["datatype"],
                "shape": {**sides, "minItems": 1, "maxItems": 2},
                "data": {
                    "type": "array",
                    "description": "Flat in row-major order, or nested like the shape.",
                },
                "parameters": ANY_OBJECT,
            },
        },
        "V2Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {**NULLABLE_TEXT, "description": "Returned in the response."},
                "parameters": ANY_OBJECT,
                "inputs": {"type": "array", "minItems": 1, "items": ref("V2Tensor")},
                "outputs": {
                    "type": ["array", "null"],
                    "description": "Requested outputs; all if empty or absent.",
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


def v2_example(row: list[Any], tensors: list[dict[str, Any]]) -> Schema:
    """A request of one row, one tensor per feature."""
    inputs = [
        {"name": entry["name"], "datatype": entry["datatype"], "shape": [1], "data": [value]}
        for entry, value in zip(tensors, row, strict=True)
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
            "parameters": {"type": "object", "description": "binary_data_size if the data is raw."},
        },
    }
