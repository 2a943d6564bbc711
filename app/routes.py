"""URL -> handler, and the one place where errors become problem documents.

Each route has one `Work`: a function of the service, the request and its outcome that returns a
Reply. `answer` adds request id, outcome and error handling. Knows no web framework: `factory`
registers these routes with Flask, `front` calls those that predict from the event loop.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from app import grpc_routes
from app.errors import NotStoredError, RequestError
from app.observability.outcome import Outcome
from app.observability.trace_context import HEADER, parse
from app.observability.tracing import RESPONSE_HEADER, header
from app.openapi import page
from app.protocol_routes import (
    invocations,
    native_explain,
    native_predict,
    v1_explain,
    v1_models,
    v1_predict,
    v1_status,
    v2_infer,
    v2_live,
    v2_metadata,
    v2_model_ready,
    v2_ready,
    v2_server,
)
from app.protocols.grpc import reflection, status
from app.protocols.grpc.framing import CONTENT_TYPE
from app.responses import Reply, json_reply, problem
from app.urls import (
    GRPC_INFERENCE,
    GRPC_URLS,
    HEALTH,
    INFER,
    REFLECTION,
    UNMATCHED,
    URLS,
    V2_MODEL,
    Url,
)

if TYPE_CHECKING:
    from app.request import Request
    from app.service import Service

# Request ids accepted from callers: they are copied into logs and headers.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
Work = Callable[["Service", "Request", Outcome], Reply]


@dataclass(frozen=True)
class Route:
    """A URL and its handler."""

    url: Url
    work: Work


def health(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """Liveness: the process responds. Depends neither on the model nor on load."""
    return json_reply({"status": "ok"})


def ready(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """Readiness: loaded, verified and warmed up."""
    if not service.is_ready or service.is_draining:
        return json_reply({"status": "draining" if service.is_draining else "starting"}, 503)
    return json_reply({"status": "ready", "digest": service.bundle.digest})


def metrics(service: Service, request: Request, _outcome: Outcome) -> Reply:
    """Prometheus metrics, summed over the workers."""
    service.flush_metrics()
    return Reply(200, *service.metrics.exposition(request.headers.get("accept", "")))


def model_info(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """The public part of the manifest."""
    return json_reply(service.info())


def version_info(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """Versions of model, engine, Python and libraries."""
    libraries = ("flask", "gunicorn", "numpy", "orjson")
    return json_reply(
        {
            "model": {"version": service.version, "digest": service.bundle.digest},
            "engine": service.engine.name,
            "python": ".".join(map(str, sys.version_info[:3])),
            "libraries": {name: version(name) for name in libraries},
        }
    )


def openapi(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """The OpenAPI document of this model, built at start-up."""
    return Reply(200, service.openapi)


def docs(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """The page to try the model, unless it is disabled."""
    if service.docs is None:
        raise RequestError(
            404, "not-found", "Not found", "the page is disabled (DOCS_ENABLED=false)"
        )
    return Reply(200, service.docs.body, page.CONTENT_TYPE, dict(service.docs.headers))


def index(service: Service, _request: Request, _outcome: Outcome) -> Reply:
    """What this is, and where to go on; `status` as KServe's V1 client asks for it."""
    links = ["/docs"] if service.docs is not None else []
    links += ["/openapi.json", "/model/info", "/version", "/ready"]
    named = {"name": service.name, "version": service.version}
    return json_reply({"status": "alive", **named, "links": links})


def no_call(_service: Service, request: Request, _outcome: Outcome) -> Reply:
    """A method of gRPC that is asked in another way, by gRPC-Web for example."""
    found = request.media_type[:100] or "no content type"
    raise RequestError(
        415,
        "media-type",
        "Unsupported media type",
        f"expected {CONTENT_TYPE} over HTTP/2, found {found} over HTTP/{request.version}",
    )


WORK: dict[str, Work] = {
    "/": index,
    "/health": health,
    "/ready": ready,
    "/metrics": metrics,
    "/model/info": model_info,
    "/version": version_info,
    "/openapi.json": openapi,
    "/docs": docs,
    "/predict": native_predict,
    "/predict/batch": native_predict,
    "/invocations": invocations,
    "/explain": native_explain,
    "/v1/models": v1_models,
    "/v1/models/<model>": v1_status,
    "/v1/models/<model>:predict": v1_predict,
    "/v1/models/<model>:explain": v1_explain,
    "/v2": v2_server,
    "/v2/health/live": v2_live,
    "/v2/health/ready": v2_ready,
    **dict.fromkeys(V2_MODEL, v2_metadata),
    **{f"{path}/ready": v2_model_ready for path in V2_MODEL},
    **{f"{path}/infer": v2_infer for path in V2_MODEL},
}
ROUTES = tuple(Route(url, WORK[url.path]) for url in URLS)
GRPC_WORK: dict[str, Work] = {
    INFER: grpc_routes.infer,
    f"/{GRPC_INFERENCE}/ServerLive": grpc_routes.server_live,
    f"/{GRPC_INFERENCE}/ServerReady": grpc_routes.server_ready,
    f"/{GRPC_INFERENCE}/ServerMetadata": grpc_routes.server_metadata,
    f"/{GRPC_INFERENCE}/ModelReady": grpc_routes.model_ready,
    f"/{GRPC_INFERENCE}/ModelMetadata": grpc_routes.model_metadata,
    HEALTH: grpc_routes.health,
    **dict.fromkeys(REFLECTION, grpc_routes.reflect),
}
GRPC_ROUTES = {url.path: Route(url, GRPC_WORK[url.path]) for url in GRPC_URLS}
NO_CALL = Route(Url(UNMATCHED), no_call)
# Methods that answer every message of a call when it comes, by the function that does so.
CONVERSATIONS = dict.fromkeys(REFLECTION, reflection.answer)


def answer(service: Service, route: Route, request: Request) -> Reply:
    """Run the work of a route and record its outcome; errors become problem documents."""
    outcome, reply = run_work(service, route, request)
    record_outcome(service, route, outcome)
    return reply


def record_outcome(service: Service, route: Route, outcome: Outcome) -> None:
    """Count and log a request, before its response is sent."""
    service.finish(outcome, predicted=route.url.predicts)
    service.flush()


def stored_work(service: Service, route: Route, request: Request) -> tuple[Outcome, Reply] | None:
    """As `run_work`, but only if that takes no prediction: its answer is in memory, or refused."""
    try:
        return run_work(service, route, request, stored_only=True)
    except NotStoredError:
        return None


def run_work(
    service: Service, route: Route, request: Request, *, stored_only: bool = False
) -> tuple[Outcome, Reply]:
    """Run the work of a route without recording it; safe to call in a thread.

    `stored_only`: raises NotStoredError instead of predicting.
    """
    requested = request.headers.get("x-request-id", "")
    request_id = requested if REQUEST_ID.fullmatch(requested) else os.urandom(16).hex()
    outcome = Outcome(route.url.path, request_id, route.url.explains, stored_only)
    outcome.received = request.received
    outcome.waited = time.perf_counter() - request.received
    traceparent = request.headers.get(HEADER)
    if traceparent:
        outcome.trace = parse(traceparent)
    if service.tracing is not None and route.url.predicts:
        service.tracing.begin(outcome)
    try:
        reply = _admitted_work(route, request)(service, request, outcome)
        outcome.kind = "ok"
        outcome.status = reply.status
    except RequestError as error:
        # Nobody reads it, and its frames would keep the whole request until a garbage collection.
        error.__traceback__ = None
        outcome.kind = error.kind
        outcome.errors, outcome.reason = error.errors, error.reason
        reply = _refusal(service, route, error, request_id)
        outcome.status = error.status
    except NotStoredError:
        raise
    except Exception as error:
        outcome.failure = error
        reply = _refusal(service, route, _internal_error(), request_id)
    reply.request_id = request_id
    if outcome.traced and outcome.trace is not None:
        reply.headers[RESPONSE_HEADER] = header(outcome.trace)
    outcome.seconds = time.perf_counter() - request.received
    return outcome, reply


def _refusal(service: Service, route: Route, error: RequestError, request_id: str) -> Reply:
    """The reply of a request that gets no answer."""
    if route.url.is_grpc:
        return status.failed(error, request_id)
    return problem(
        error,
        request_id,
        with_error=route.url.is_open_protocol,
        example=service.examples.get(route.url.path),
    )


def unmatched_route(error: Exception, path: str, *, is_grpc: bool = False) -> Route:
    """A route that raises the error, for requests that match no other."""

    def work(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
        raise error

    is_open_protocol = path.startswith(("/v1/", "/v2/"))
    return Route(Url(UNMATCHED, is_open_protocol=is_open_protocol, is_grpc=is_grpc), work)


def call_route(service: Service, request: Request) -> Route:
    """The route of a call of gRPC, or one that raises the error of what is none."""
    route = GRPC_ROUTES.get(request.path)
    if request.refused is not None:
        is_fault = not isinstance(request.refused, RequestError)
        if route is not None and (route.url.predicts or is_fault):
            return route
        return unmatched_route(request.refused, request.path, is_grpc=True)
    if route is None or request.method != "POST" or request.port == service.settings.metrics_port:
        missing = RequestError(
            501, "unknown-method", "Unknown method", f"no method {request.path[:200]!r}"
        )
        return unmatched_route(missing, request.path, is_grpc=True)
    return route


def options_route() -> Route:
    """A route that answers OPTIONS; the fields of the answer are the router's."""

    def work(_service: Service, _request: Request, _outcome: Outcome) -> Reply:
        return Reply(204, b"", "")

    return Route(Url(UNMATCHED), work)


def route_for_port(service: Service, route: Route, request: Request) -> Route:
    """The route, or one that raises 404 if it belongs to the other port."""
    metrics_port = service.settings.metrics_port
    if metrics_port is None or (request.port == metrics_port) == (route.url.path == "/metrics"):
        return route
    missing = RequestError(404, "not-found", "Not found", "no such URL on this port")
    return unmatched_route(missing, request.path)


def prediction_routes(service: Service) -> dict[str, tuple[Route, dict[str, str]]]:
    """The exact prediction paths of this model, each with its route and arguments.

    The event loop answers these without a router.
    """
    arguments = {"model": service.name, "version": service.version}
    routes = {}
    for route in ROUTES:
        if route.url.predicts:
            names = [name for name in arguments if f"<{name}>" in route.url.path]
            path = route.url.path
            for name in names:
                path = path.replace(f"<{name}>", arguments[name])
            routes[path] = (route, {name: arguments[name] for name in names})
    return routes


def _admitted_work(route: Route, request: Request) -> Work:
    """The work of a route. Raises the error of a request that was already refused."""
    if request.refused is not None:
        raise request.refused
    return route.work


def _internal_error() -> RequestError:
    return RequestError(
        500,
        "internal",
        "Internal server error",
        "see the service's log for this request_id",
    )
