"""/explain and V1's `:explain` in the OpenAPI document of a model that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.openapi.contract_schemas import Schema, closed_object, ref, rows_schema
from app.openapi.output_schemas import method_schemas, number_list, row_answer
from app.openapi.parts import parameter, post
from app.openapi.request_schemas import predict_request, request_examples, split_schema

if TYPE_CHECKING:
    from app.model.contract import Contract, Output

TEXT: Schema = {"type": "string"}


def explanation_schemas(
    explain: dict[str, Any] | None, contract: Contract, signatures: tuple[str, ...]
) -> dict[str, Schema]:
    """The bodies of both routes, from what the service says of its explanations."""
    if explain is None:
        return {}
    rows = explain["max_rows"]
    numbers = _numbers(contract.output)
    error = "The largest standard error of the contributions; 0 unless they are sampled."
    explanation = closed_object(
        {
            "of": {"const": explain["of"], "description": "The key of the answer it explains."},
            "method": {"const": explain["method"]},
            "base": {**numbers, "description": "The mean answer of the background's rows."},
            "contributions": {
                **closed_object(dict.fromkeys(explain["features"], numbers)),
                "description": "What each feature adds; with `base` they add up to the answer.",
            },
            "standard_error": {"type": "number", "minimum": 0, "description": error},
        }
    )
    row = {**row_answer(contract.output), "explanation": ref("Explanation")}
    trace = {"model_version": TEXT, "request_id": TEXT}
    several = {"predictions": {"type": "array", "items": closed_object(row)}, **trace}
    predicted = {"type": "array", "items": {"anyOf": method_schemas(contract.output)}}
    return {
        "Explanation": explanation,
        "ExplainRequest": predict_request(contract, rows, split_schema(contract, rows)),
        "ExplainResponse": {"oneOf": [closed_object({**row, **trace}), closed_object(several)]},
        "V1ExplainRequest": {
            "type": "object",
            "required": ["instances"],
            "properties": {
                "instances": rows_schema(rows),
                "signature_name": {"enum": [*signatures, None]},
            },
        },
        "V1ExplainResponse": closed_object(
            {
                "predictions": predicted,
                "explanations": {"type": "array", "items": ref("Explanation")},
                **trace,
            }
        ),
    }


def explanation_paths(
    explain: dict[str, Any] | None, contract: Contract, sample: list[Any]
) -> Schema:
    """Both routes."""
    if explain is None:
        return {}
    rows = explain["max_rows"]
    summary = f"Explain the prediction of one row, or of up to {rows} rows"
    examples = request_examples(list(contract.names), sample)
    if rows == 1:
        examples = {name: each for name, each in examples.items() if "features" in each}
    several = {"rows": {"instances": [sample]}}
    native = post(
        "explain", "explain", summary, ref("ExplainRequest"), examples, ref("ExplainResponse")
    )
    v1 = post(
        "v1Explain", "V1", summary, ref("V1ExplainRequest"), several, ref("V1ExplainResponse")
    )
    return {
        "/explain": native,
        "/v1/models/{model}:explain": {"parameters": [parameter("model")], **v1},
    }


def _numbers(output: Output) -> Schema:
    """The explained numbers, in the form that they have in an answer."""
    number: Schema = {"type": "number"}
    if output.probabilities:
        lists = {part.name: number_list(len(part.classes or ()), "") for part in output.parts}
        return closed_object(lists) if output.targets else next(iter(lists.values()))
    if output.targets:
        return closed_object({target.name: number for target in output.targets})
    return number if output.width is None else number_list(output.width, "")
