"""Load the service, then run gunicorn.

The order matters: whatever can be refused is refused before gunicorn starts, as one log line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from app.factory import create_app
from app.gunicorn_conf import options
from app.listening import open_sockets, require_room
from app.service import Service, load_service

if TYPE_CHECKING:
    import socket

    from app.settings import Settings


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn configured by `gunicorn_conf` instead of a command line."""

    def __init__(self, service: Service, sockets: list[socket.socket]) -> None:
        self._service = service
        self._sockets = sockets
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn: set every option."""
        for name, value in options(self._service, self._sockets).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in the master (preload): the application of every worker."""
        return create_app(self._service)


def run(settings: Settings, started: float) -> None:
    """Serve until a signal ends the process. Raises RefusedError before any port is open.

    `started`: time.perf_counter() when the process began.
    """
    service = load_service(settings, started)
    if settings.metrics_folder is not None:
        size = service.metrics.worker_bytes * settings.worker_count
        require_room(settings.metrics_folder, size)
    Server(service, open_sockets(settings)).run()
