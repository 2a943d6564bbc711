"""create_app: offers the routes to Flask. The only module that knows the web framework.

Flask finds the route of a URL and answers for unknown ones; predictions on well-known paths are
answered by `asgi` before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from app.admission import Deadline, requested_deadline
from app.errors import RequestError
from app.inbound import Inbound
from app.routes import ROUTES, Route, answer, on_port, unmatched

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.service import Service

# The key of the WSGI environment under which `asgi` leaves what it knows of the request.
INBOUND = "app.inbound"


class Segment(BaseConverter):
    """A model or a version in a URL. Without a colon: `iris:predict` is V1's verb, not a name."""

    regex = "[^/:]+"


def create_app(service: Service) -> Flask:
    """A Flask application that answers for one loaded model."""
    app = Flask("app", static_folder=None)
    # For servers other than ours: neither gunicorn nor Flask limits a body by itself.
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_bytes
    app.url_map.converters["default"] = Segment
    for route in ROUTES:
        url, view = route.url, _view(service, route)
        app.add_url_rule(url.path, endpoint=url.path, view_func=view, methods=[url.method])

    def unrouted(error: HTTPException) -> Response:
        response = _respond(service, unmatched(_from_http(error), request.path), {})
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    app.register_error_handler(HTTPException, unrouted)
    return app


def _view(service: Service, route: Route) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        return _respond(service, route, arguments)

    return view


def _respond(service: Service, route: Route, arguments: dict[str, str]) -> Response:
    inbound: Inbound = request.environ.get(INBOUND) or _inbound(service)
    inbound.arguments = arguments
    reply = answer(service, on_port(service, route, inbound), inbound)
    return Response(reply.body, reply.status, reply.fields())


def _inbound(service: Service) -> Inbound:
    """The request as it came through a WSGI server."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    most_ms = service.settings.request_timeout_ms
    refused = None
    try:
        deadline = requested_deadline(headers.get("x-request-timeout-ms"), most_ms)
    except RequestError as error:
        deadline, refused = Deadline(most_ms), error
    port = int(request.environ.get("SERVER_PORT") or 0)
    return Inbound(request.path, port, headers, _read, deadline, refused=refused)


def _read() -> bytes:
    try:
        return request.get_data(cache=False)
    except HTTPException as error:
        raise _from_http(error) from error


def _from_http(error: HTTPException) -> RequestError:
    """Werkzeug's 404, 405, 413 and the like in our words."""
    status = error.code or 500
    kind = {404: "not-found", 405: "method", 413: "too-large"}.get(status, "http")
    title = {413: "The body is too large"}.get(status, error.name)
    return RequestError(status, kind, title, error.description or error.name)
