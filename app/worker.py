"""gunicorn's ASGI worker with a graceful shutdown that neither drops requests nor waits needlessly.

On SIGTERM it keeps accepting for `drain_seconds` while /ready responds 503, then completes the
requests in flight and closes idle connections; the stock worker would wait for idle connections
until the graceful timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn import glogging
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

if TYPE_CHECKING:
    import asyncio

# Grace period for a request that a client is sending on an idle connection at this moment.
LINGER_SECONDS = 1.0
CLOSE_INTERVAL_SECONDS = 0.1
# How often connections are looked at that have been idle for too long, and metrics flushed.
LOOK_INTERVAL_SECONDS = 1.0
# Wait for the rest of a body: many clients send head and body in two packets.
INCOMPLETE_SECONDS = 0.005


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's logger without the access lines, which it would format only to discard them."""

    access_log_enabled = False


class Connection(ASGIProtocol):  # type: ignore[misc]
    """A connection that answers plain requests without the parser, registered with its worker."""

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.idle_since = self.worker.loop.time()
        self._port = transport.get_extra_info("sockname")[1]
        # A request whose body is incomplete, and the timer that hands it to the parser.
        self._incomplete = b""
        self._incomplete_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.worker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.worker.connections.discard(self)
        self._take_incomplete()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio. Plain requests are answered inline, all others by the parser."""
        incomplete = self._take_incomplete()
        data = incomplete + data
        response = None
        if self._is_between_requests():
            response = self.app.try_inline(data, self._port)
        if response:
            self.idle_since = self.worker.loop.time()
            self.worker.respond(self, response)
        elif response is None or incomplete:
            super().data_received(data)
        else:
            # Waits only once: slow bodies are left to the parser and its time limits.
            self._incomplete = data
            loop = self.worker.loop
            self._incomplete_timer = loop.call_later(INCOMPLETE_SECONDS, self._parse_incomplete)

    def _parse_incomplete(self) -> None:
        """The rest of the body is late: hand the request to the parser and its time limits."""
        super().data_received(self._take_incomplete())

    def _take_incomplete(self) -> bytes:
        incomplete = self._incomplete
        if self._incomplete_timer is not None:
            self._incomplete_timer.cancel()
            self._incomplete, self._incomplete_timer = b"", None
        return incomplete

    def close_if_idle(self, since: float) -> None:
        """Close the connection if it has been idle since then (the loop's time)."""
        if self._awaiting_request and not self._incomplete and self.idle_since <= since:
            self._keepalive_timeout()

    def _is_between_requests(self) -> bool:
        """Whether the next byte starts a request and its response may keep the connection open."""
        parser = self._callback_parser
        return (
            self._awaiting_request
            and parser._state == "request_line"
            and not parser._buffer
            and not self._flow_control.write_paused
            and not self.worker.draining
        )

    def _arm_keepalive_timer(self) -> None:
        """Record the time: the worker sweeps all connections instead of a timer for each."""
        self.idle_since = self.worker.loop.time()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        """While draining, every response closes its connection: clients move to other pods."""
        if self.worker.draining:
            return True
        return bool(super()._will_close(request, response_requires_close))


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """One worker process; `gunicorn_conf` sets `drain_seconds` on the class."""

    drain_seconds = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self.draining = False
        self._responses: list[tuple[Connection, bytes]] = []

    def init_process(self) -> None:
        """Called by gunicorn in the new process."""
        # gunicorn instantiates this name and has no setting for the connection class.
        gasgi.ASGIProtocol = Connection
        super().init_process()

    def run(self) -> None:
        """Called by gunicorn: serve until shutdown."""
        self.loop.call_soon(self._look_around)
        super().run()

    def respond(self, connection: Connection, response: bytes) -> None:
        """Send it in the next iteration of the loop, after this one's log lines are written."""
        if not self._responses:
            self.loop.call_soon(self._send_responses)
        self._responses.append((connection, response))

    def _send_responses(self) -> None:
        responses, self._responses = self._responses, []
        self.asgi.flush()
        for connection, response in responses:
            connection._safe_write(response)

    def handle_exit_signal(self) -> None:
        """SIGTERM: drain, then stop."""
        if self.draining:
            return
        self.draining = True
        self.asgi.drain()
        self.loop.call_later(self.drain_seconds, self._stop_accepting)

    def _stop_accepting(self) -> None:
        super().handle_exit_signal()
        self.loop.call_later(LINGER_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        self._close_since(self.loop.time())
        if self.connections:
            self.loop.call_later(CLOSE_INTERVAL_SECONDS, self._close_idle)

    def _look_around(self) -> None:
        self._close_since(self.loop.time() - self.cfg.keepalive)
        self.asgi.flush_metrics()
        self.loop.call_later(LOOK_INTERVAL_SECONDS, self._look_around)

    def _close_since(self, moment: float) -> None:
        for connection in list(self.connections):
            connection.close_if_idle(moment)
