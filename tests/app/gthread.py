"""`python -m tests.app.gthread`: the same application under gunicorn's own threaded worker.

Another server than ours reads the requests. One thread: what is counted belongs to one.
"""

from __future__ import annotations

import os
import time
from typing import Any

from gunicorn.app.base import BaseApplication

from app.factory import create_app
from app.service import Service, load_service
from app.settings import Settings


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with its worker `gthread`."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service, self._settings = service, settings
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        service, settings = self._service, self._settings
        for name, value in {
            "bind": f"{settings.host}:{settings.port}",
            "worker_class": "gthread",
            "threads": 1,
            "workers": 1,
            "preload_app": True,
            "control_socket_disable": True,
            "post_worker_init": lambda _worker: service.start_worker(),
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn."""
        return create_app(self._service)


if __name__ == "__main__":
    found = Settings.from_environ(os.environ)
    Server(load_service(found, time.perf_counter()), found).run()
