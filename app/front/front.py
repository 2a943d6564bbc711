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

from app.admission import Deadline
from app.estimates import INLINE_SECONDS
from app.front import memory, wsgi
from app.front.memory import Bounds, Memory
from app.request import Request
from app.routes import (
    CONVERSATIONS,
    Route,
    answer,
    call_route,
    prediction_routes,
    record_outcome,
    run_work,
    stored_work,
    unmatched_route,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.errors import RequestError
    from app.front.connection import Connection, Exchange
    from app.front.wsgi import Wsgi
    from app.observability.outcome import Outcome
    from app.responses import Reply
    from app.service import Service

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
        # Targets as they are sent -> paths, of what is asked most.
        self.paths = {path.encode(): path for path in self._routes}
        self._thread: ThreadPoolExecutor | None = None
        # gRPC methods with streams: paths -> what answers one message, in a frame of gRPC.
        self.conversations: dict[str, Callable[[bytes], bytes]] = dict(CONVERSATIONS)
        self._answered: list[Connection] = []
        self._ahead: deque[Connection] = deque()
        self._is_going_on = False
        self._turn_end = 0.0
        settings = service.settings
        self.bounds = Bounds(
            settings.max_body_bytes,
            settings.request_timeout_ms,
            Memory(memory.held_limit(settings.max_body_bytes)),
        )
        # One for all connections: what is read is taken out before the loop turns.
        self.view = memoryview(bytearray(BUFFER_BYTES))
        self.connections: set[Connection] = set()
        # Requests with a body that is arriving.
        self.receiving: set[Exchange] = set()
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
        """Forget a connection that is closed."""
        self.connections.discard(connection)

    def replace(self, connection: Connection, by: Connection) -> None:
        """A connection turned out to speak another protocol."""
        self.connections.discard(connection)
        self.connections.add(by)

    @property
    def is_draining(self) -> bool:
        """Whether every response closes its connection, so that clients move to other pods."""
        return self._service.is_draining

    def drain(self) -> None:
        """Shutdown has started: /ready responds 503 from now on."""
        self._service.is_draining = True

    # -- requests
    def handle(self, exchange: Exchange, request: Request) -> None:
        """Answer a request, now or later."""
        if request.is_grpc:
            route = call_route(self._service, request)
            if route.url.predicts:
                self._predict(exchange, route, request)
            else:
                exchange.reply(answer(self._service, route, request))
            return
        match = None
        if request.method == "POST" and request.port != self._metrics_port:
            match = self._routes.get(request.path)
        if match is None:
            if request.refused is not None:
                route = unmatched_route(request.refused, request.path)
                exchange.reply(answer(self._service, route, request))
            else:
                exchange.reply(wsgi.call(self._application, request))
            return
        route, request.arguments = match
        self._predict(exchange, route, request)

    def _predict(self, exchange: Exchange, route: Route, request: Request) -> None:
        service = self._service
        if request.refused is None:
            size = request.max_body_bytes(self.bounds.max_body_bytes)
            explains = route.url.explains
            if not service.is_quick(size, explains=explains):
                if service.stored_seconds(size, explains=explains) <= INLINE_SECONDS:
                    # It does not stand in line behind what has to be computed.
                    done = stored_work(service, route, request)
                    if done is not None:
                        self._reply(exchange, *done)
                        return
                request.refused = service.in_flight.refusal()
                if request.refused is None:
                    self._queue(exchange, route, request)
                    return
        self._reply(exchange, *run_work(service, route, request))

    def _reply(self, exchange: Exchange, outcome: Outcome, reply: Reply) -> None:
        self._service.finish(outcome, predicted=True)
        exchange.reply(reply)

    def _queue(self, exchange: Exchange, route: Route, request: Request) -> None:
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
            if exchange.request is request:
                exchange.work = None
                exchange.reply(reply)

        exchange.work = work
        work.add_done_callback(lambda work: self.loop.call_soon_threadsafe(done, work))

    def conversation(self, request: Request) -> Callable[[bytes], bytes] | None:
        """What answers the messages of a call as they come; None: all of them at its end."""
        is_call = request.method == "POST" and request.port != self._metrics_port
        return self.conversations.get(request.path) if is_call and request.is_grpc else None

    def record(self, error: RequestError, port: int) -> None:
        """Count and log what is no request, and gets no response of its own."""
        deadline = Deadline(self.bounds.max_timeout_ms)
        request = Request("", "", port, {}, b"", deadline, refused=error)
        answer(self._service, unmatched_route(error, ""), request)

    def send_later(self, connection: Connection) -> None:
        """Send responses in the next turn of the loop, after this one's log lines are written."""
        if not self._answered:
            self.loop.call_soon(self._flush)
        self._answered.append(connection)

    def _flush(self) -> None:
        answered, self._answered = self._answered, []
        self._service.flush()
        for connection in answered:
            try:
                connection.send()
            except Exception as error:
                self._give_up(connection, "a response was not sent", error)

    def _give_up(self, connection: Connection, message: str, error: Exception) -> None:
        """Close a connection: a fault with it must not cost the others their turn."""
        connection.transport.abort()
        self.loop.call_exception_handler({"message": message, "exception": error})

    def go_on_later(self, connection: Connection) -> None:
        """Take what a client sent ahead when those had their turn who did not."""
        self._ahead.append(connection)
        self._schedule_ahead()

    def _schedule_ahead(self) -> None:
        # Once for each turn, or every connection would get the time of all of them.
        if not self._is_going_on:
            self._is_going_on = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_going_on = False
        for _ in range(len(self._ahead)):
            connection = self._ahead.popleft()
            try:
                connection.go_on()
            except Exception as error:
                self._give_up(connection, "what came ahead was not read", error)
            if not self.has_time():
                break
        if self._ahead:
            self._schedule_ahead()

    def has_time(self) -> bool:
        """Whether this turn of the loop has time for more than one request of a connection."""
        now = time.perf_counter()
        if not self._turn_end:
            self._turn_end = now + AHEAD_SECONDS
            self.loop.call_soon(self._end_turn)
        return now < self._turn_end

    def _end_turn(self) -> None:
        self._turn_end = 0.0

    # -- time
    def close_idle(self) -> None:
        """Close connections without a request."""
        for connection in list(self.connections):
            connection.close_if_idle()

    def sweep_bodies(self) -> None:
        """Refuse bodies that are late."""
        self.time = self.loop.time()
        for exchange in list(self.receiving):
            exchange.time_out_body()

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
