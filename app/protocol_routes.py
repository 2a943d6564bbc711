"""The handlers of the protocols' URLs: /predict, /invocations, /v1 and /v2. Knows no web framework.

V1 and V2 have the model's name in the URL; a name or version other than the loaded one is a 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import __version__, inflate
from app.errors import RequestError
from app.protocols.frames import HEADER
from app.protocols.invocations import CSV
from app.responses import json_reply

if TYPE_CHECKING:
    from app.observability.outcome import Outcome
    from app.request import Request
    from app.responses import Reply
    from app.service import Service

# text/json is what JSON was called before it was registered.
JSON_TYPES = ("application/json", "text/json")
# The last two: clients that send no type, and `curl -d` as in TensorFlow's and Triton's docs.
PROTOCOL_TYPES = (
    *JSON_TYPES, "application/octet-stream", "", "application/x-www-form-urlencoded",
)  # fmt: skip
# Types of one document per line.
LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-lines",
               "application/jsonlines", "application/x-jsonlines")  # fmt: skip


def native_predict(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /predict and /predict/batch: one row or several, by position or by name."""
    _require_type(request, JSON_TYPES, "application/json")
    return service.answer(_body(service, request), request.deadline, outcome, service.native.read)


def invocations(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /invocations: MLflow's protocol, as JSON or as CSV."""
    _require_type(request, (*JSON_TYPES, CSV), "application/json or text/csv")
    reads = service.invocations
    read = reads.read_csv if request.media_type == CSV else reads.read
    return service.answer(_body(service, request), request.deadline, outcome, read)


def native_explain(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /explain: the rows of /predict, and what each feature adds to their answers."""
    _require_type(request, JSON_TYPES, "application/json")
    read = service.explanations.reader(service.native.read)
    return service.answer(_body(service, request), request.deadline, outcome, read)


def v1_models(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """GET /v1/models: the loaded model."""
    return service.v1.models()


def v1_status(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """GET /v1/models/<model>: whether it is ready."""
    service.v2.require_loaded(request.arguments)
    return service.v1.status(ready=service.is_accepting)


def v1_predict(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /v1/models/<model>:predict."""
    service.v2.require_loaded(request.arguments)
    return service.answer(
        _protocol_body(service, request), request.deadline, outcome, service.v1.read
    )


def v1_explain(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /v1/models/<model>:explain."""
    service.v2.require_loaded(request.arguments)
    read = service.explanations.reader(service.v1.read)
    return service.answer(_protocol_body(service, request), request.deadline, outcome, read)


def v2_server(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """GET /v2: name, version and extensions of this server."""
    return json_reply(service.v2.server(__version__))


def v2_live(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """GET /v2/health/live: the process responds."""
    return json_reply({"live": True})


def v2_ready(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """GET /v2/health/ready: the model is loaded, verified and warmed up."""
    return json_reply({"ready": service.is_accepting}, 200 if service.is_accepting else 503)


def v2_metadata(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """GET /v2/models/<model>[/versions/<version>]: inputs and outputs."""
    service.v2.require_loaded(request.arguments)
    return json_reply(service.v2.metadata(service.engine.name))


def v2_model_ready(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """GET /v2/models/<model>[/versions/<version>]/ready."""
    service.v2.require_loaded(request.arguments)
    ready = service.is_accepting
    return json_reply({"name": service.v2.name, "ready": ready}, 200 if ready else 503)


def v2_infer(service: Service, request: Request, outcome: Outcome) -> Reply:
    """POST /v2/models/<model>[/versions/<version>]/infer, with or without binary tensors."""
    service.v2.require_loaded(request.arguments)
    header_length = request.headers.get(HEADER.lower())
    return service.answer(
        _protocol_body(service, request),
        request.deadline,
        outcome,
        lambda body: service.v2.read(body, header_length),
    )


def _protocol_body(service: Service, request: Request) -> bytes:
    """The body of a V1 or V2 request. Raises RequestError."""
    _require_type(request, PROTOCOL_TYPES, "application/json or application/octet-stream")
    return _body(service, request)


def _require_type(request: Request, types: tuple[str, ...], expected: str) -> None:
    """Raises RequestError 415."""
    if request.media_type in types:
        return
    hint = ': send the rows as one document, {"instances": [...]}'
    raise RequestError(
        415,
        "media-type",
        "Unsupported media type",
        f"expected {expected}, found {request.media_type[:100] or 'none'}"
        f"{hint if request.media_type in LINES_TYPES else ''}",
    )


def _body(service: Service, request: Request) -> bytes:
    """The body without its Content-Encoding. Raises RequestError.

    This runs where the prediction does, so that inflating a large body never stops the event loop.
    """
    return inflate.decode(request.headers, request.body, service.settings.max_body_bytes)
