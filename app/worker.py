"""gunicorn's ASGI worker, ended the way clients want: nobody cut off, nobody waited for in vain.

On SIGTERM it may keep accepting for a while with /ready saying 503 (`drain_seconds`), then answers
what it has accepted, and closes connections that only idle; the stock worker would wait for those
until the graceful timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn import glogging
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

if TYPE_CHECKING:
    import asyncio

# An idle connection may carry a request that is on its way right now; it gets this long.
LINGER_SECONDS = 1.0
CLOSE_INTERVAL_SECONDS = 0.1
# How often connections are looked at that have been idle for too long, and metrics flushed.
LOOK_INTERVAL_SECONDS = 1.0
# Many clients send head and body apart, one right after the other.
REST_SECONDS = 0.005


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's logger, which would gather an access line for every request and then drop it."""

    access_log_enabled = False


class Connection(ASGIProtocol):  # type: ignore[misc]
    """A connection that answers plain requests itself, and that its worker can find again."""

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.idle_since = self.worker.loop.time()
        self._port = transport.get_extra_info("sockname")[1]
        # A request without the end of its body, and who sends it to the parser after a while.
        self._begun = b""
        self._patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.worker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.worker.connections.discard(self)
        self._take_begun()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio. A plain request is answered at once, all others by the parser."""
        begun = self._take_begun()
        data = begun + data
        response = None
        if self._is_between_requests():
            response = self.app.at_once(data, self._port)
        if response:
            self.idle_since = self.worker.loop.time()
            self.worker.respond(self, response)
        elif response is None or begun:
            super().data_received(data)
        else:
            # Waits once: who sends in drops is for the parser and its time limits.
            self._begun = data
            self._patience = self.worker.loop.call_later(REST_SECONDS, self._stop_waiting)

    def _stop_waiting(self) -> None:
        """The rest of the body takes its time: let the parser wait for it, and its limits count."""
        super().data_received(self._take_begun())

    def _take_begun(self) -> bytes:
        begun = self._begun
        if self._patience is not None:
            self._patience.cancel()
            self._begun, self._patience = b"", None
        return begun

    def close_if_idle(self, since: float) -> None:
        """Close it if it has waited for a whole request since then (the loop's time)."""
        if self._awaiting_request and not self._begun and self.idle_since <= since:
            self._keepalive_timeout()

    def _is_between_requests(self) -> bool:
        """Whether the next byte begins a request, and its answer may keep the connection open."""
        parser = self._callback_parser
        return (
            self._awaiting_request
            and parser._state == "request_line"
            and not parser._buffer
            and not self._flow_control.write_paused
            and not self.worker.draining
        )

    def _arm_keepalive_timer(self) -> None:
        """Note the time: the worker looks at all connections, there is no timer for each."""
        self.idle_since = self.worker.loop.time()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        """While draining every answer ends its connection, so that clients look for another pod."""
        if self.worker.draining:
            return True
        return bool(super()._will_close(request, response_requires_close))


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """One process that serves; `gunicorn_conf` sets the time (seconds) on the class."""

    drain_seconds = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self.draining = False
        self._responses: list[tuple[Connection, bytes]] = []

    def init_process(self) -> None:
        """Called by gunicorn in the new process."""
        # The worker makes its connections by this name and offers no other way to choose the class.
        gasgi.ASGIProtocol = Connection
        super().init_process()

    def run(self) -> None:
        """Called by gunicorn: serve until the end."""
        self.loop.call_soon(self._look_around)
        super().run()

    def respond(self, connection: Connection, response: bytes) -> None:
        """Send it in the next turn of the loop, once what was answered in this one is logged."""
        if not self._responses:
            self.loop.call_soon(self._send_responses)
        self._responses.append((connection, response))

    def _send_responses(self) -> None:
        responses, self._responses = self._responses, []
        self.asgi.flush()
        for connection, response in responses:
            connection._safe_write(response)

    def handle_exit_signal(self) -> None:
        """SIGTERM: drain first, then stop."""
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
