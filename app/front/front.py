"""The front of one worker: answers every request of its connections, and bounds what they hold.

A prediction of microseconds runs in the event loop, which saves the hand-over to a thread. A slower
one goes to the worker's single thread through a bounded queue, so that probes and metrics stay
responsive. Flask answers every other URL. docs/decisions/0001-worker.md has the measurements.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app.admission import overloaded_error
from app.errors import RequestError
from app.front import memory, wsgi
from app.front.memory import Memory
from app.inflate import max_decoded_bytes
from app.routes import Route, answer, prediction_routes, record_outcome, run_work, unmatched_route

if TYPE_CHECKING:
    from app.front.http1 import Http1
    from app.request import Request
    from app.front.wsgi import Wsgi
    from app.responses import Reply
    from app.service import Service

# Longest prediction to run in the event loop, which blocks every other client for that long.
INLINE_SECONDS = 0.002
BUFFER_BYTES = 65_536


class Front:
    """What the connections of one worker share; create it in the worker, in its loop."""

    def __init__(self, application: Wsgi, service: Service) -> None:
        self._application = application
        self._service = service
        self._metrics_port = service.settings.metrics_port
        self._routes = prediction_routes(service)
        # Targets as they are sent -> paths, of what is asked most.
        self.paths = {path.encode(): path for path in self._routes}
        self._thread: ThreadPoolExecutor | None = None
        self._responses: list[tuple[Http1, bytes]] = []
        self.max_timeout_ms = service.settings.request_timeout_ms
        self.max_body_bytes = service.settings.max_body_bytes
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.memory = Memory(memory.MAX_HELD_BODIES * self.max_body_bytes)
        self.connections: set[Http1] = set()
        # Those with a body that is arriving.
        self.receiving: set[Http1] = set()
        self.loop = asyncio.get_event_loop()
        # The loop's time, as of the last look at the connections: exact enough for their limits.
        self.time = self.loop.time()

    # -- connections
    def add(self, connection: Http1) -> bool:
        """Count a new connection; whether there is room for it."""
        has_room = len(self.connections) < memory.MAX_CONNECTIONS
        self.connections.add(connection)
        return has_room

    def discard(self, connection: Http1) -> None:
        """Forget a connection that is closed, and what it waits for."""
        self.connections.discard(connection)
        self.receiving.discard(connection)

    @property
    def is_draining(self) -> bool:
        """Whether every response closes its connection, so that clients move to other pods."""
        return self._service.is_draining

    def drain(self) -> None:
        """Shutdown has started: /ready responds 503 from now on."""
        self._service.is_draining = True

    # -- requests
    def handle(self, connection: Http1, request: Request) -> None:
        """Answer a request, now or later."""
        match = None
        if request.method == "POST" and request.port != self._metrics_port:
            match = self._routes.get(request.path)
        if match is None:
            if request.refused is not None:
                route = unmatched_route(request.refused, request.path)
                connection.reply(answer(self._service, route, request))
            else:
                connection.reply(wsgi.call(self._application, request))
            return
        route, request.arguments = match
        self._predict(connection, route, request)

    def _predict(self, connection: Http1, route: Route, request: Request) -> None:
        service = self._service
        if request.refused is None:
            size = max_decoded_bytes(request.headers, len(request.body), self.max_body_bytes)
            if service.expected_seconds(size) > INLINE_SECONDS:
                request.refused = service.in_flight.refusal()
                if request.refused is None:
                    self._queue(connection, route, request)
                    return
        outcome, reply = run_work(service, route, request)
        service.finish(outcome, predicted=True)
        connection.reply(reply)

    def _queue(self, connection: Http1, route: Route, request: Request) -> None:
        """Predict in the thread."""
        service = self._service
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        service.in_flight.__enter__()
        work = self._thread.submit(run_work, service, route, request)

        def done(work: Future[Any]) -> None:
            service.in_flight.__exit__(None, None, None)
            if work.cancelled():
                return
            outcome, reply = work.result()
            record_outcome(service, route, outcome)
            if connection.request is request:
                connection.work = None
                connection.reply(reply)

        connection.work = work
        work.add_done_callback(lambda work: self.loop.call_soon_threadsafe(done, work))

    def write(self, connection: Http1, data: bytes) -> None:
        """Send a response in the next turn of the loop, after this one's log lines are written."""
        if not self._responses:
            self.loop.call_soon(self._flush)
        self._responses.append((connection, data))

    def _flush(self) -> None:
        responses, self._responses = self._responses, []
        self._service.flush()
        for connection, data in responses:
            connection.transport.write(data)
            connection.sent()

    # -- errors of what is no prediction yet
    def too_many_error(self) -> RequestError:
        """503 for a connection beyond the limit."""
        return overloaded_error(f"this worker has {memory.MAX_CONNECTIONS} connections")

    def memory_error(self) -> RequestError:
        """503 for a body that would hold too much memory together with all others."""
        return overloaded_error("too many large request bodies at the same time")

    def body_too_large_error(self) -> RequestError:
        """413."""
        detail = f"expected at most {self.max_body_bytes} bytes (MAX_BODY_BYTES)"
        return RequestError(413, "too-large", "Request body too large", detail)

    def slow_error(self, timeout_ms: int) -> RequestError:
        """408."""
        detail = f"expected the complete body within {timeout_ms} ms"
        return RequestError(408, "slow-body", "Request body timed out", detail)

    def slow_head_error(self) -> RequestError:
        """408 for a head that does not end."""
        detail = f"expected the complete head within {memory.HEAD_SECONDS:.0f} s"
        return RequestError(408, "slow-head", "Request head timed out", detail)

    # -- time
    def close_idle(self) -> None:
        """Close connections without a request."""
        for connection in list(self.connections):
            if connection.state in ("idle", "closing"):
                connection.transport.close()

    def sweep_bodies(self) -> None:
        """Refuse bodies that are late."""
        self.time = self.loop.time()
        for connection in list(self.receiving):
            if connection.is_overdue():
                connection.time_out()

    def sweep(self, keep_alive_seconds: float) -> None:
        """Close connections that have been silent for too long, and flush the metrics."""
        now = self.time
        limits = {
            "idle": keep_alive_seconds,
            "head": memory.HEAD_SECONDS,
            "closing": memory.LINGER_SECONDS,
        }
        for connection in list(self.connections):
            connection.close_if_late(now, limits)
        self._service.flush_metrics()
