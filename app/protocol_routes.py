"""The work behind the URLs of the protocols: /predict, /v1 and /v2. Knows no web framework.

V1 and V2 put the model's name into the URL; a name or version that is not the loaded one is
a 404 that says which one is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import __version__
from app.errors import RequestError
from app.protocols.frames import HEADER
from app.responses import json_reply

if TYPE_CHECKING:
    from app.inbound import Inbound
    from app.observability.outcome import Outcome
    from app.responses import Reply
    from app.service import Service

# The last two: clients that name no type, and `curl -d`, as in TensorFlow's and Triton's documents.
MEDIA_TYPES = (
    "application/json", "application/octet-stream", "", "application/x-www-form-urlencoded",
)  # fmt: skip


def native_predict(service: Service, inbound: Inbound, outcome: Outcome) -> Reply:
    """POST /predict and /predict/batch: one row or several, by position or by name."""
    if inbound.media_type != "application/json":
        raise RequestError(
            415,
            "media-type",
            "The content type is not supported",
            f"expected application/json, found {inbound.media_type[:100] or 'none'}",
        )
    return service.answer(inbound.read(), inbound.deadline, outcome, service.native.read)


def v1_models(service: Service, _inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v1/models: the one model."""
    return service.v1.models()


def v1_status(service: Service, inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v1/models/<model>: whether it is ready."""
    _check_model(service, inbound)
    return service.v1.status(ready=service.accepting)


def v1_predict(service: Service, inbound: Inbound, outcome: Outcome) -> Reply:
    """POST /v1/models/<model>:predict."""
    _check_model(service, inbound)
    return service.answer(_body(inbound), inbound.deadline, outcome, service.v1.read)


def v2_server(service: Service, _inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v2: name, version and extensions of this server."""
    return service.v2.server(__version__)


def v2_live(_service: Service, _inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v2/health/live: the process answers."""
    return json_reply({"live": True})


def v2_ready(service: Service, _inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v2/health/ready: the model is loaded, verified and warmed up."""
    return json_reply({"ready": service.accepting}, 200 if service.accepting else 503)


def v2_metadata(service: Service, inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v2/models/<model>[/versions/<version>]: inputs and outputs."""
    _check_model(service, inbound)
    return service.v2.metadata(service.engine.name)


def v2_model_ready(service: Service, inbound: Inbound, _outcome: Outcome) -> Reply:
    """GET /v2/models/<model>[/versions/<version>]/ready."""
    _check_model(service, inbound)
    return service.v2.model_ready(ready=service.accepting)


def v2_infer(service: Service, inbound: Inbound, outcome: Outcome) -> Reply:
    """POST /v2/models/<model>[/versions/<version>]/infer, with or without binary tensors."""
    _check_model(service, inbound)
    header_length = inbound.headers.get(HEADER.lower())
    return service.answer(
        _body(inbound), inbound.deadline, outcome, lambda body: service.v2.read(body, header_length)
    )


def _check_model(service: Service, inbound: Inbound) -> None:
    """Raises RequestError 404 unless the URL names the loaded model and, if any, its version."""
    here = {"model": service.v2.name, "version": service.version}
    for word, name in inbound.arguments.items():
        if name != here[word]:
            detail = f"this server has {word} {here[word]!r}, not {name[:100]!r}"
            raise RequestError(404, f"unknown-{word}", f"Unknown {word}", detail)


def _body(inbound: Inbound) -> bytes:
    """The body as it came. Raises RequestError 415."""
    if inbound.media_type not in MEDIA_TYPES:
        raise RequestError(
            415,
            "media-type",
            "The content type is not supported",
            "expected application/json or application/octet-stream, "
            f"found {inbound.media_type[:100]}",
        )
    encoding = inbound.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(
            415,
            "media-type",
            "The content encoding is not supported",
            f"expected a body that is not compressed, found {encoding[:100]}",
        )
    return inbound.read()
