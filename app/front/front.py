"""The front of one worker: answers every request of its connections, and bounds what they hold.

A prediction of microseconds runs in the event loop, which saves the hand-over to a thread. A slower
one goes to the worker's single thread through a bounded queue, so that probes and metrics stay
responsive. Flask answers every other URL. docs/decisions/0001-worker.md has the measurements.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app.front import memory, wsgi
from app.front.memory import Bounds, Memory
from app.routes import (
    CONVERSATIONS,
    Route,
    answer,
    call_route,
    prediction_routes,
    record_outcome,
    run_work,
    unmatched_route,
)

if TYPE_CHECKING:
    from app.front.connection import Connection
    from app.front.wsgi import Wsgi
    from app.request import Request
    from app.service import Service

# Longest prediction to run in the event loop, which blocks every other client for that long.
INLINE_SECONDS = 0.002
BUFFER_BYTES = 65_536
# Of each turn of the loop, for requests that came before their turn.
AHEAD_SECONDS = 0.002


class Front:
    """What the connections of one worker share; create it in the worker, in its loop."""

    def __init__(self, application: Wsgi, service: Service) -> None:
        self._application = application
        self._service = service
        self._metrics_port = service.settings.metrics_port
        self._routes = prediction_routes(service)
        self.conversations = CONVERSATIONS
        # Targets as they are sent -> paths, of what is asked most.
        self.paths = {path.encode(): path for path in self._routes}
        self._thread: ThreadPoolExecutor | None = None
        self._responses: list[tuple[Connection, bytes]] = []
        self._ahead: deque[Connection] = deque()
        settings = service.settings
        self.bounds = Bounds(
            settings.max_body_bytes,
            settings.request_timeout_ms,
            Memory(memory.held_limit(settings.max_body_bytes)),
        )
        # One for all connections: what is read is taken out before the loop turns.
        self.view = memoryview(bytearray(BUFFER_BYTES))
        self.connections: set[Connection] = set()
        # Those with a body that is arriving.
        self.receiving: set[Connection] = set()
        self.loop = asyncio.get_event_loop()
        # The loop's time, as of the last look at the connections: exact enough for their limits.
        self.time = self.loop.time()

    # -- connections
    def add(self, connection: Connection) -> bool:
        """Count a new connection; whether there is room for it."""
        count = len(self.connections)
        self.connections.add(connection)
        if count >= memory.MAX_CONNECTIONS + memory.MAX_TOLD:
            connection.transport.abort()
        return count < memory.MAX_CONNECTIONS

    def discard(self, connection: Connection) -> None:
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
    def handle(self, connection: Connection, request: Request) -> None:
        """Answer a request, now or later."""
        if request.is_grpc:
            route = call_route(self._service, request)
            if route.url.predicts:
                self._predict(connection, route, request)
            else:
                connection.reply(answer(self._service, route, request))
            return
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

    def _predict(self, connection: Connection, route: Route, request: Request) -> None:
        service = self._service
        if request.refused is None:
            size = request.max_body_bytes(self.bounds.max_body_bytes)
            if service.expected_seconds(size, explains=route.url.explains) > INLINE_SECONDS:
                request.refused = service.in_flight.refusal()
                if request.refused is None:
                    self._queue(connection, route, request)
                    return
        outcome, reply = run_work(service, route, request)
        service.finish(outcome, predicted=True)
        connection.reply(reply)

    def _queue(self, connection: Connection, route: Route, request: Request) -> None:
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

    def write(self, connection: Connection, data: bytes) -> None:
        """Send a response in the next turn of the loop, after this one's log lines are written."""
        if not self._responses:
            self.loop.call_soon(self._flush)
        self._responses.append((connection, data))

    def _flush(self) -> None:
        responses, self._responses = self._responses, []
        self._service.flush()
        for connection, data in responses:
            try:
                connection.transport.write(data)
                connection.sent()
            except Exception as error:
                self._give_up(connection, "a response was not sent", error)

    def _give_up(self, connection: Connection, message: str, error: Exception) -> None:
        """Close a connection: a fault with it must not cost the others their turn."""
        connection.transport.abort()
        self.loop.call_exception_handler({"message": message, "exception": error})

    def go_on_later(self, connection: Connection) -> None:
        """Take what a client sent ahead when those had their turn who did not."""
        if not self._ahead:
            self.loop.call_soon(self._go_on)
        self._ahead.append(connection)

    def _go_on(self) -> None:
        end = time.perf_counter() + AHEAD_SECONDS
        for _ in range(len(self._ahead)):
            connection = self._ahead.popleft()
            try:
                connection.go_on()
            except Exception as error:
                self._give_up(connection, "what came ahead was not read", error)
            if time.perf_counter() > end:
                break
        if self._ahead:
            self.loop.call_soon(self._go_on)

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
            connection.time_out_body()

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
        self.bounds.memory.give_back()
        self._service.flush_metrics()
