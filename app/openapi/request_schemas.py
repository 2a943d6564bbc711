"""JSON Schemas of the bodies of /predict and /invocations: every form of `protocols.rows`.

Descriptions state what JSON Schema cannot express: columns in another order, or equally long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.openapi.contract_schemas import Schema, pointer, ref, rows_schema
from app.protocols.rows import (
    INPUTS,
    INSTANCES,
    ONE_ROW_KEYS,
    PARAMS,
    PROTOCOL_KEYS,
    RECORDS,
    SPLIT,
)

if TYPE_CHECKING:
    from app.model.contract import Contract

ANY_COLUMN: Schema = {"type": "array"}
NO_PARAMETERS: Schema = {
    "type": ["object", "null"],
    "description": "Sent by MLflow's clients; the model has no parameters.",
    "maxProperties": 0,
}


def request_schemas(contract: Contract, max_rows: int) -> Schema:
    """The bodies by name: PredictRequest, InvocationsRequest and the parts that they share."""
    return {
        "DataframeSplit": split_schema(contract, max_rows),
        "PredictRequest": predict_request(contract, max_rows, ref("DataframeSplit")),
        "InvocationsRequest": {
            "oneOf": [ref("PredictRequest"), _form(INPUTS, _columns(contract, max_rows))],
        },
    }


def predict_request(contract: Contract, max_rows: int, split: Schema) -> Schema:
    """A body of /predict, with this many rows at most; `split`: the schema of its frame."""
    rows = rows_schema(max_rows)
    by_key = {
        **dict.fromkeys(ONE_ROW_KEYS, ref("Row")),
        **dict.fromkeys((INSTANCES, RECORDS), rows),
        SPLIT: split,
        INPUTS: {"oneOf": [rows, ref("NamedRow")]},
    }
    forms = [_form(key, schema) for key, schema in by_key.items()]
    bare = [] if set(contract.names) & set(PROTOCOL_KEYS) else [_bare_row(contract)]
    return {
        "description": "One row or several. InvocationsRequest is accepted as well.",
        "oneOf": [*forms, *bare, rows],
    }


def request_examples(names: list[str], row: list[Any]) -> dict[str, Any]:
    """A body of each form, by a name for it."""
    named = dict(zip(names, row, strict=True))
    return {
        "row by name": {"features": named},
        "row by position": {"features": row},
        "rows": {"instances": [named, named]},
        "dataframe_split": {SPLIT: {"columns": names, "data": [row, row]}},
        "dataframe_records": {RECORDS: [named, named]},
    }


def _form(key: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "required": [key],
        "additionalProperties": False,
        "properties": {key: schema, PARAMS: NO_PARAMETERS},
    }


def _bare_row(contract: Contract) -> Schema:
    """A row without any key of the protocol."""
    if contract.extra == "refuse" and not set(contract.ignored) & set(PROTOCOL_KEYS):
        return ref("NamedRow")
    keys = [{"required": [key]} for key in PROTOCOL_KEYS]
    return {"allOf": [ref("NamedRow"), {"not": {"anyOf": keys}}]}


def split_schema(contract: Contract, max_rows: int) -> Schema:
    names = list(contract.names)
    rows = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": ref("PositionalRow")}
    """A frame of this many rows at most."""
    return {
        "type": "object",
        "description": "A frame as by pandas' `to_dict(orient='split')`.",
        "required": ["data"],
        "additionalProperties": False,
        "properties": {
            "columns": {
                "description": "The features, in this order or, with their values, in another.",
                "enum": [names, list(range(len(names))), None],
            },
            "index": {"description": "Ignored."},
            "data": rows,
        },
    }


def _columns(contract: Contract, max_rows: int) -> Schema:
    def column(name: str) -> Schema:
        feature = {"$ref": f"#/components/schemas/NamedRow/properties/{pointer(name)}"}
        return {"type": "array", "minItems": 1, "maxItems": max_rows, "items": feature}

    return {
        "type": "object",
        "description": "A list of values per feature; all are equally long.",
        "required": list(contract.names),
        "additionalProperties": ANY_COLUMN if contract.extra == "ignore" else False,
        "properties": {
            **dict.fromkeys(contract.ignored, ANY_COLUMN),
            **{name: column(name) for name in contract.names},
        },
    }
