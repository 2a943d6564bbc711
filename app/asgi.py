"""The ASGI application: read bodies, admit requests, answer predictions.

A prediction of microseconds runs in the event loop, which saves the hand-over to a thread; if its
request arrived complete and plain, even without a task (`try_inline`). A slower one goes to the
worker's single thread through a bounded queue, so that probes and metrics stay responsive. A slow
client costs a connection and nothing else: no thread waits for it, and its time is limited. Flask
answers every other URL. docs/decisions/0001-worker.md has the measurements.
"""

from __future__ import annotations

import asyncio
import functools
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app import fastpath
from app.admission import Deadline, parse_deadline
from app.bodies import BodyReader, ClientGoneError, Receive
from app.errors import RequestError
from app.factory import INBOUND
from app.inbound import Inbound
from app.inflate import max_decoded_bytes
from app.routes import Route, answer, prediction_routes, record_outcome, run_work

if TYPE_CHECKING:
    from app.responses import Reply
    from app.service import Service

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Longest prediction to run in the event loop, which blocks every other client for that long.
INLINE_SECONDS = 0.002
# `Bridge.try_inline` returns it for a request whose body has not arrived completely.
INCOMPLETE = b""


class Bridge:
    """The ASGI application of one worker process."""

    def __init__(self, wsgi: Wsgi, service: Service) -> None:
        self._wsgi = wsgi
        self._service = service
        self._max_timeout_ms = service.settings.request_timeout_ms
        self._prediction_routes = prediction_routes(service)
        self._metrics_port = service.settings.metrics_port
        self._max_body_bytes = service.settings.max_body_bytes
        self._bodies = BodyReader(self._max_body_bytes)
        self._routes_by_request_line = {
            f"POST {path} HTTP/1.1\r\n".encode(): (path, *route)
            for path, route in self._prediction_routes.items()
        }
        self._thread: ThreadPoolExecutor | None = None

    def try_inline(self, data: bytes, port: int) -> bytes | None:
        """Answer one plain request for a fast prediction, or reject it; returns the response.

        INCOMPLETE: the rest of the body is missing. None: the request needs the parser or the
        thread. The caller calls `flush` before it sends the response.
        """
        start = data.find(b"\n") + 1
        match = self._routes_by_request_line.get(data[:start])
        if match is None or port == self._metrics_port:
            return None
        request = fastpath.parse_request(data, start)
        if request is None:
            return None
        size = len(request.body) + request.missing_bytes
        if size > self._max_body_bytes:
            return None
        refused = None
        service = self._service
        expected = max_decoded_bytes(request.headers, size, self._max_body_bytes)
        if service.expected_seconds(expected) > INLINE_SECONDS:
            refused = service.in_flight.refusal()
            if refused is None:
                return None
        if request.missing_bytes:
            return INCOMPLETE
        path, route, arguments = match
        inbound = self._inbound(path, port, request.headers)
        inbound.arguments = arguments
        inbound.read = lambda: request.body
        inbound.refused = inbound.refused or refused
        outcome, reply = run_work(service, route, inbound)
        service.finish(outcome, predicted=True)
        return fastpath.encode_response(reply)

    def flush(self) -> None:
        """Write the log lines of the requests that were answered inline."""
        self._service.flush()

    def flush_metrics(self) -> None:
        """Let the metrics of all workers have what was counted here."""
        self._service.flush_metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the worker for every request."""
        if scope["type"] != "http":
            raise ValueError(f"unsupported ASGI scope: expected http, found {scope['type']}")
        port = (scope["server"] or ("", 0))[1] or 0
        inbound = self._inbound(scope["path"], port, _headers(scope))
        body = b""
        if scope["method"] != "GET" and inbound.refused is None:
            try:
                body = await self._bodies.read(inbound, receive)
            except RequestError as error:
                inbound.refused = error
            except ClientGoneError:
                return
        inbound.read = lambda: body
        inbound.received = time.perf_counter()
        route, arguments = self._prediction_routes.get(scope["path"], (None, {}))
        if route is None or scope["method"] != "POST" or inbound.port == self._metrics_port:
            await self._through_flask(scope, inbound, body, send)
            return
        inbound.arguments = arguments
        size = max_decoded_bytes(inbound.headers, len(body), self._max_body_bytes)
        reply = await self._predict(route, inbound, size)
        await _send(send, reply.status, reply.fields().items(), reply.body)

    def drain(self) -> None:
        """Shutdown has started: /ready responds 503 from now on."""
        self._service.is_draining = True

    async def _predict(self, route: Route, inbound: Inbound, size: int) -> Reply:
        """Answer in the loop or in the thread, or with 503 if the queue is full."""
        service = self._service
        if inbound.refused or service.expected_seconds(size) <= INLINE_SECONDS:
            # Not counted as in flight: nothing else runs until it is done.
            return answer(service, route, inbound)
        try:
            with service.in_flight:
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
                loop = asyncio.get_running_loop()
                work = loop.run_in_executor(self._thread, run_work, service, route, inbound)
                outcome, reply = await work
        except RequestError as error:
            inbound.refused = error
            return answer(service, route, inbound)
        record_outcome(service, route, outcome)
        return reply

    async def _through_flask(self, scope: Scope, inbound: Inbound, body: bytes, send: Send) -> None:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            started[:] = [int(status[:3]), headers]

        environ = _environ(scope, inbound, body)
        content = b"".join(self._wsgi(environ, start_response))
        headers = [field for field in started[1] if field[0] != "Content-Length"]
        await _send(send, started[0], headers, content)

    def _inbound(self, path: str, port: int, headers: dict[str, str]) -> Inbound:
        refused = None
        try:
            deadline = parse_deadline(headers.get("x-request-timeout-ms"), self._max_timeout_ms)
        except RequestError as error:
            deadline, refused = Deadline(self._max_timeout_ms), error
        return Inbound(path, port, headers, bytes, deadline, refused=refused)


def _headers(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; repeated ones are joined."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


def _environ(scope: Scope, inbound: Inbound, body: bytes) -> dict[str, Any]:
    """The WSGI environment of the request."""
    host, port = scope["server"] or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "CONTENT_TYPE": inbound.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        INBOUND: inbound,
    }
    for name, text in inbound.headers.items():
        if name not in ("content-type", "content-length"):
            environ["HTTP_" + name.upper().replace("-", "_")] = text
    return environ


@functools.cache
def _field_name(name: str) -> bytes:
    """A header's name in ASGI's form; cached, because the service sends few different ones."""
    return name.lower().encode("latin-1")


async def _send(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    encoded = [(_field_name(name), text.encode("latin-1")) for name, text in headers]
    encoded.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
