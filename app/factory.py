"""create_app: the routes as a Flask application. The only module that knows the web framework.

Complete under any WSGI server. Under this repository's own, `front` reads the request, and answers
predictions before Flask is asked, by the same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from app.admission import Deadline, parse_deadline
from app.errors import RequestError
from app.request import Request
from app.routes import (
    GRPC_ROUTES,
    NO_CALL,
    ROUTES,
    Route,
    answer,
    options_route,
    route_for_port,
    unmatched_route,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.service import Service

# Key of the WSGI environment under which the front passes its Request.
REQUEST = "app.request"


class Segment(BaseConverter):
    """A model or version in a URL. No colon: in `iris:predict` it separates V1's verb."""

    regex = "[^/:]+"


def create_app(service: Service) -> Flask:
    """Create the Flask application of one loaded model."""
    app = Flask("app", static_folder=None)
    # For other WSGI servers: neither gunicorn nor Flask limits the body by default.
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_bytes
    app.url_map.converters["default"] = Segment
    # A redirect would tell a client to go where its own Host says: `//predict` is unknown.
    app.url_map.merge_slashes = False
    for route in ROUTES:
        url, view = route.url, _view(service, route)
        app.add_url_rule(
            url.path,
            endpoint=url.path,
            view_func=view,
            methods=[url.method],
            provide_automatic_options=False,
        )
    for path in GRPC_ROUTES:
        app.add_url_rule(
            path,
            endpoint=path,
            view_func=_view(service, NO_CALL),
            methods=["POST"],
            provide_automatic_options=False,
        )

    def unrouted(error: HTTPException) -> Response:
        allowed = ""
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            allowed = ", ".join(sorted({*error.valid_methods, "OPTIONS"}))
        if allowed and request.method == "OPTIONS":
            route = options_route()
        else:
            route = unmatched_route(_request_error(error), request.path)
        response = _respond(service, route, {})
        if allowed:
            response.headers["Allow"] = allowed
        return response

    app.register_error_handler(HTTPException, unrouted)
    return app


def _view(service: Service, route: Route) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        return _respond(service, route, arguments)

    return view


def _respond(service: Service, route: Route, arguments: dict[str, str]) -> Response:
    received: Request = request.environ.get(REQUEST) or _receive(service)
    received.arguments = arguments
    reply = answer(service, route_for_port(service, route, received), received)
    response = Response(reply.body, reply.status, reply.fields())
    if not reply.content_type:
        del response.headers["Content-Type"]
    return response


def _receive(service: Service) -> Request:
    """The request as received from a WSGI server."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    max_timeout_ms = service.settings.request_timeout_ms
    refused, body = None, b""
    deadline = Deadline(max_timeout_ms)
    try:
        deadline = parse_deadline(headers.get("x-request-timeout-ms"), max_timeout_ms)
        body = request.get_data(cache=False)
    except RequestError as error:
        refused = error
    except HTTPException as error:
        refused = _request_error(error)
    port = int(request.environ.get("SERVER_PORT") or 0)
    return Request(request.method, request.path, port, headers, body, deadline, refused=refused)


def _request_error(error: HTTPException) -> RequestError:
    """Werkzeug's 404, 405, 413 and so on as a RequestError."""
    status = error.code or 500
    kind = {404: "not-found", 405: "method", 413: "too-large"}.get(status, "http")
    title = {413: "Request body too large"}.get(status, error.name)
    return RequestError(status, kind, title, error.description or error.name)
