"""gunicorn's worker with the front's event loop, on gunicorn's public base class.

On SIGTERM it keeps accepting for `drain_seconds` while /ready responds 503, then completes the
requests in flight and closes idle connections.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from gunicorn import glogging
from gunicorn.workers import base

from app.front.http1 import Http1
from app.front.memory import BACKLOG, return_freed_bodies

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.front.front import Front

# Grace period for a request that a client is sending on an idle connection at this moment.
LINGER_SECONDS = 1.0
CLOSE_INTERVAL_SECONDS = 0.1
# How often bodies, and connections, are looked at that take too long.
BODY_INTERVAL_SECONDS = 0.05
SWEEP_INTERVAL_SECONDS = 1.0
# Connections that a worker takes in a turn of its loop, in which nobody else is answered.
ACCEPTED_PER_TURN = 32


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's logger without the access lines, which it would format only to discard them."""

    access_log_enabled = False


class Worker(base.Worker):  # type: ignore[misc]
    """One worker process; `gunicorn_conf` sets `drain_seconds` and `create_front` on the class."""

    drain_seconds = 0
    graceful_seconds = 30.0
    create_front: Callable[[Any], Front]

    def init_process(self) -> None:
        """Called by gunicorn in the new process."""
        return_freed_bodies()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        super().init_process()

    def init_signals(self) -> None:
        """Called by gunicorn: signals become events of the loop."""
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        for number, handle in (
            (signal.SIGTERM, self._drain),
            (signal.SIGINT, self._quit),
            (signal.SIGQUIT, self._quit),
            (signal.SIGUSR1, self.log.reopen_files),
            (signal.SIGWINCH, lambda: None),
        ):
            self.loop.add_signal_handler(number, handle)
        # A worker that hangs gets it from the master: the loop would not see it.
        signal.signal(signal.SIGABRT, self.handle_abort)

    def run(self) -> None:
        """Called by gunicorn: serve until shutdown."""
        self.front = type(self).create_front(self.wsgi)
        self._servers: list[asyncio.Server] = []
        self._stopped = self.loop.create_future()
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self.loop.close()

    async def _serve(self) -> None:
        for each in self.sockets:
            server = await self.loop.create_server(
                lambda: Http1(self.front), sock=each.sock, backlog=ACCEPTED_PER_TURN
            )
            # For asyncio both are one number.
            each.sock.listen(BACKLOG)
            self._servers.append(server)
        self._beat()
        self._sweep_bodies()
        self._sweep()
        await self._stopped

    # -- what happens again and again
    def _beat(self) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self.log.info("The master is gone")
            self._quit()
            return
        self.loop.call_later(1.0, self._beat)

    def _sweep_bodies(self) -> None:
        self.front.sweep_bodies()
        self.loop.call_later(BODY_INTERVAL_SECONDS, self._sweep_bodies)

    def _sweep(self) -> None:
        self.front.sweep(self.cfg.keepalive)
        self.loop.call_later(SWEEP_INTERVAL_SECONDS, self._sweep)

    # -- the end
    def _drain(self) -> None:
        """SIGTERM: drain, then stop."""
        if self.front.is_draining:
            return
        self.front.drain()
        self.loop.call_later(self.drain_seconds, self._stop_accepting)

    def _stop_accepting(self) -> None:
        self.alive = False
        for server in self._servers:
            server.close()
        self.loop.call_later(LINGER_SECONDS, self._close_idle)
        self.loop.call_later(self.graceful_seconds, self._finish)

    def _close_idle(self) -> None:
        self.front.close_idle()
        if self.front.connections:
            self.loop.call_later(CLOSE_INTERVAL_SECONDS, self._close_idle)
        else:
            self._finish()

    def _quit(self) -> None:
        """SIGINT, SIGQUIT: stop now."""
        self.alive = False
        self.cfg.worker_int(self)
        self._finish()

    def _finish(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)
