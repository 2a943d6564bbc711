"""The methods of gRPC: each answers a framed message with one. Knows no connection.

Readiness is ServerReady, ModelReady and the health of "", of the service's name and of the model's;
the health of `live` is whether the process answers, as /health is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app import __version__
from app.errors import RequestError
from app.protocols.grpc import framing, messages
from app.protocols.grpc.status import ok
from app.urls import GRPC_INFERENCE

if TYPE_CHECKING:
    from app.observability.outcome import Outcome
    from app.request import Request
    from app.responses import Reply
    from app.service import Service

# The health of the process, whatever state the model is in.
LIVE = "live"
_HealthRequest = messages.message("grpc.health.v1.HealthCheckRequest")
_ModelReady = messages.message("inference.ModelReadyRequest")
_ModelMetadata = messages.message("inference.ModelMetadataRequest")


def infer(service: Service, request: Request, outcome: Outcome) -> Reply:
    """ModelInfer."""
    body = _message(service, request)
    return service.answer(body, request.deadline, outcome, service.grpc.read)


def server_live(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """ServerLive: the process answers."""
    return _reply("inference.ServerLiveResponse", live=True)


def server_ready(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """ServerReady: the model is loaded, verified and warmed up."""
    return _reply("inference.ServerReadyResponse", ready=service.is_accepting)


def model_ready(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """ModelReady."""
    _require_loaded(service, _parse(_ModelReady, service, request))
    return _reply("inference.ModelReadyResponse", ready=service.is_accepting)


def server_metadata(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """ServerMetadata: name, version and extensions of this server."""
    return _reply("inference.ServerMetadataResponse", **service.v2.server(__version__))


def model_metadata(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """ModelMetadata: inputs and outputs."""
    _require_loaded(service, _parse(_ModelMetadata, service, request))
    described = service.v2.metadata(service.engine.name)
    return _reply("inference.ModelMetadataResponse", **described)


def health(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """grpc.health.v1.Health/Check."""
    name = _parse(_HealthRequest, service, request).service
    if name in ("", GRPC_INFERENCE, service.name):
        is_serving = service.is_accepting
    elif name == LIVE:
        is_serving = True
    else:
        known = f"'', {GRPC_INFERENCE!r}, {service.name!r} or {LIVE!r}"
        detail = f"expected the service {known}, found {name[:100]!r}"
        raise RequestError(404, "unknown-service", "Unknown service", detail)
    return _reply(
        "grpc.health.v1.HealthCheckResponse", status="SERVING" if is_serving else "NOT_SERVING"
    )


def reflect(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """The end of a conversation with the server's reflection."""
    return ok(b"")


def _message(service: Service, request: Request) -> bytes:
    """The message of a unary call. Raises RequestError."""
    return framing.unframe(request.headers, request.body, service.settings.max_body_bytes)


def _parse(kind: Any, service: Service, request: Request) -> Any:
    return messages.parse(kind, _message(service, request))


def _require_loaded(service: Service, named: Any) -> None:
    service.v2.require_loaded({"model": named.name, "version": named.version})


def _reply(kind: str, /, **fields: Any) -> Reply:
    return ok(framing.frame(messages.message(kind)(**fields).SerializeToString()))
