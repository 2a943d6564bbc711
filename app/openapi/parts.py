"""Building blocks of the OpenAPI document: operations, responses, problems, parameters."""

from __future__ import annotations

from app.openapi.contract_schemas import Schema, ref
from app.protocols.frames import HEADER
from app.responses import JSON, PROBLEM

REASONS = {
    400: "The body is malformed (JSON, CSV, tensors, compression), or a header is invalid.",
    404: "The model or version is not the loaded one.",
    408: "The request body timed out.",
    413: "The request body is too large, or would be when inflated.",
    415: "The media type or content encoding is not supported.",
    422: "The request does not match the model's contract; `errors` lists every invalid field.",
    500: "Internal error; the service's log has the reason under the request id.",
    503: "Too many requests in flight; retry after Retry-After seconds.",
    504: "The deadline was exceeded.",
}
# Error statuses of predictions, and of all other operations.
PREDICTION = (400, 408, 413, 415, 422, 500, 503, 504)
PLAIN = (400, 500)
# Tags whose problems have `error` and whose URLs name a model.
PROTOCOLS = ("V1", "V2")


def get(
    operation: str, tag: str, summary: str, schema: Schema, *more: int, media: str = JSON
) -> Schema:
    """A GET operation. `more`: 404 for an unknown model, 503 for a response "not ready"."""
    responses = {"200": answer("Success.", schema, media)}
    for status in (*PLAIN, *more):
        not_ready = answer("Not ready.", schema)
        responses[str(status)] = not_ready if status == 503 else problem(status, tag)
    return {"get": _operation(operation, tag, summary, responses)}


def post(
    operation: str, tag: str, summary: str, body: Schema, examples: Schema, reply: Schema
) -> Schema:
    """A POST operation that predicts. `examples` are bodies by name."""
    statuses = PREDICTION if tag not in PROTOCOLS else (*PREDICTION, 404)
    responses = {"200": answer("The predictions.", reply)}
    responses |= {str(status): problem(status, tag) for status in sorted(statuses)}
    named = {name: {"value": example} for name, example in examples.items()}
    content = {JSON: {"schema": body, "examples": named}}
    described = _operation(operation, tag, summary, responses)
    note = "May be compressed: Content-Encoding gzip or deflate."
    request_body = {"description": note, "required": True, "content": content}
    return {"post": {**described, "requestBody": request_body}}


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
    """A reference to the problem response of one status."""
    name = "ProtocolProblem" if tag in PROTOCOLS else "Problem"
    return {"$ref": f"#/components/responses/{name}{status}"}


def problems() -> Schema:
    """The problem responses of every status, in the form of each protocol."""
    responses = {}
    for status, reason in REASONS.items():
        for name in ("Problem", "ProtocolProblem"):
            response = answer(reason, ref(name), PROBLEM)
            if status == 503:
                response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
            responses[f"{name}{status}"] = response
    return responses


def parameter(name: str) -> Schema:
    """A reference to a parameter of this document."""
    return {"$ref": f"#/components/parameters/{name}"}


def headers() -> Schema:
    """The response headers."""
    return {
        "RequestId": {
            "description": "The caller's request id, or a generated one; also in the log.",
            "required": True,
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before retrying.",
            "required": True,
            "schema": {"type": "integer", "minimum": 0},
        },
        "JsonLength": {
            "description": "Length in bytes of the JSON part; raw tensors follow.",
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
        "RequestId": header(
            "X-Request-ID",
            {"type": "string"},
            "Request id: 1 to 128 of A-Za-z0-9._-, else one is generated.",
        ),
        "Timeout": header("X-Request-Timeout-Ms", number, "Timeout of this request in ms."),
        "JsonLength": header(
            HEADER, length, "Length in bytes of the JSON part if raw tensors follow."
        ),
    }
