"""The building blocks of the OpenAPI document: operations, answers, problems, parameters."""

from __future__ import annotations

from app.openapi.contract_schemas import Schema, ref
from app.protocols.frames import HEADER
from app.responses import JSON, PROBLEM

REASONS = {
    400: "The body or a header cannot be read: not JSON, or not the tensors it claims to be.",
    404: "Another model or version than the one that is loaded.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type or encoding is not supported.",
    422: "Well-formed, but against the model's contract; every wrong place is named.",
    500: "The server failed; its log has the reason under the request id.",
    503: "Too many requests are in flight; come back after Retry-After seconds.",
    504: "The deadline has passed.",
}
# What a prediction may end with, beside its answer. A probe or a description: 400 and 500.
PREDICTION = (400, 408, 413, 415, 422, 500, 503, 504)
PLAIN = (400, 500)
# Tags whose problems carry `error` and whose URLs name a model.
PROTOCOLS = ("V1", "V2")


def get(
    operation: str, tag: str, summary: str, schema: Schema, *more: int, media: str = JSON
) -> Schema:
    """A GET operation. `more`: 404 for another model, 503 for an answer that says "not ready"."""
    responses = {"200": answer("The answer.", schema, media)}
    for status in (*PLAIN, *more):
        not_ready = answer("Not ready.", schema)
        responses[str(status)] = not_ready if status == 503 else problem(status, tag)
    return {"get": _operation(operation, tag, summary, responses)}


def post(
    operation: str, tag: str, summary: str, body: Schema, examples: Schema, reply: Schema
) -> Schema:
    """A prediction. `examples` are bodies by name."""
    statuses = PREDICTION if tag not in PROTOCOLS else (*PREDICTION, 404)
    responses = {"200": answer("The predictions.", reply)}
    responses |= {str(status): problem(status, tag) for status in sorted(statuses)}
    named = {name: {"value": example} for name, example in examples.items()}
    content = {JSON: {"schema": body, "examples": named}}
    described = _operation(operation, tag, summary, responses)
    return {"post": {**described, "requestBody": {"required": True, "content": content}}}


def _operation(operation: str, tag: str, summary: str, responses: Schema) -> Schema:
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "parameters": [parameter("RequestId"), parameter("Timeout")],
        "responses": responses,
    }


def answer(description: str, schema: Schema, media: str = JSON) -> Schema:
    """A response with a request id."""
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    return {"description": description, "headers": headers, "content": {media: {"schema": schema}}}


def problem(status: int, tag: str) -> Schema:
    """A reference to the problem of one status."""
    name = "ProtocolProblem" if tag in PROTOCOLS else "Problem"
    return {"$ref": f"#/components/responses/{name}{status}"}


def problems() -> Schema:
    """The problems of every status, in the form of each protocol."""
    found = {}
    for status, reason in REASONS.items():
        for name in ("Problem", "ProtocolProblem"):
            response = answer(reason, ref(name), PROBLEM)
            if status == 503:
                response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
            found[f"{name}{status}"] = response
    return found


def parameter(name: str) -> Schema:
    """A reference to a parameter of this document."""
    return {"$ref": f"#/components/parameters/{name}"}


def headers() -> Schema:
    """The response headers that several answers share."""
    return {
        "RequestId": {
            "description": "The caller's request id, or a new one; every log line has it.",
            "required": True,
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "In seconds.",
            "required": True,
            "schema": {"type": "integer", "minimum": 0},
        },
        "JsonLength": {
            "description": "Bytes of JSON at the start of the body; raw tensors follow.",
            "schema": {"type": "integer", "minimum": 0},
        },
    }


def parameters(name: str, version: str) -> Schema:
    """Path arguments and request headers."""

    def path(word: str, value: str) -> Schema:
        return {"name": word, "in": "path", "required": True, "schema": {"const": value}}

    def header(word: str, schema: Schema, description: str) -> Schema:
        return {"name": word, "in": "header", "schema": schema, "description": description}

    number = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
    length = {"type": "integer", "minimum": 0}
    return {
        "model": path("model", name),
        "version": path("version", version),
        "RequestId": header("X-Request-ID", {"type": "string"}, "Kept when it is well-formed."),
        "Timeout": header("X-Request-Timeout-Ms", number, "A deadline for this request in ms."),
        "JsonLength": header(HEADER, length, "Bytes of JSON when raw tensors follow it."),
    }
