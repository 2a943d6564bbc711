"""gunicorn's ASGI worker, ended the way clients want: nobody cut off, nobody waited for in vain.

On SIGTERM it may keep accepting for a while with /ready saying 503 (`drain_seconds`), then answers
what it has accepted, and closes connections that only idle; the stock worker would wait for those
until the graceful timeout.
"""

from __future__ import annotations

from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

# An idle connection may carry a request that is on its way right now; it gets this long.
LINGER_SECONDS = 1.0
CLOSE_INTERVAL_SECONDS = 0.1


class Connection(ASGIProtocol):  # type: ignore[misc]
    """A connection that its worker can find again."""

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self.worker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def close_if_idle(self) -> None:
        """Close it unless a request is being received or answered."""
        if self._awaiting_request and self.transport is not None:
            self.transport.close()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        """While draining every answer ends its connection, so that clients look for another pod."""
        if self.worker.draining:
            return True
        return bool(super()._will_close(request, response_requires_close))


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """One process that serves; `gunicorn_conf` sets the two times (seconds) on the class."""

    drain_seconds = 0
    finish_seconds = 20

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self.draining = False

    def init_process(self) -> None:
        """Called by gunicorn in the new process."""
        # The worker makes its connections by this name and offers no other way to choose the class.
        gasgi.ASGIProtocol = Connection
        super().init_process()

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
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            self.loop.call_later(CLOSE_INTERVAL_SECONDS, self._close_idle)
