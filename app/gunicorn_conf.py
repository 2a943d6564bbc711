"""How gunicorn runs the service: settings -> its options, and the hooks around a worker's life.

Loaded by `app.server`, after the environment was read and the bundle accepted.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.observability import logs
from app.worker import Logger, Worker

if TYPE_CHECKING:
    from app.service import Service
    from app.settings import Settings

# Longer than any proxy in front keeps an idle connection: the proxy must be the one that closes,
# or it writes into a connection we just dropped and its client sees a 502.
KEEPALIVE_SECONDS = 65
# A worker that has not beaten for this long hangs and is replaced; not a limit for requests.
HEARTBEAT_SECONDS = 60
# Open connections of one worker, most of them idle ones of proxies; each costs some kilobytes.
CONNECTIONS = 2000
# New objects between two looks for garbage (700 by default).
GARBAGE_THRESHOLD = 20_000
# What a worker needs beside its time for running requests to notice, linger and end, in seconds.
MARGIN = 3


def options(settings: Settings, service: Service) -> dict[str, Any]:
    """gunicorn's configuration for these settings."""
    Worker.drain_seconds = settings.drain_seconds
    ports = [settings.port, *([settings.metrics_port] if settings.metrics_port else [])]
    return {
        "bind": [f"{settings.host}:{port}" for port in ports],
        "workers": settings.worker_count,
        "worker_class": Worker,
        "logger_class": Logger,
        "asgi_lifespan": "off",
        # The one whose state `app.worker` looks at; a faster one is not on the fast path anyway.
        "http_parser": "python",
        "worker_connections": CONNECTIONS,
        # Who has gone waits for nothing: what is queued for them is dropped at once.
        "asgi_disconnect_grace_period": 0,
        "preload_app": True,
        "keepalive": KEEPALIVE_SECONDS,
        "timeout": HEARTBEAT_SECONDS,
        # The master kills a worker that has not ended by then: draining comes on top.
        "graceful_timeout": settings.drain_seconds + settings.graceful_timeout_seconds + MARGIN,
        "worker_tmp_dir": _memory_folder(),
        # Its default place is not writable on a read-only root, and nobody uses it here.
        "control_socket_disable": True,
        "logconfig_dict": logs.config(settings.log_level),
        "when_ready": _freeze,
        "pre_fork": functools.partial(_prepare, service),
        "post_worker_init": functools.partial(_begin, service),
        "worker_exit": functools.partial(_end, service),
        "child_exit": functools.partial(_forget, service),
    }


def _prepare(service: Service, _server: Any, worker: Any) -> None:
    """Give a worker its index among the metrics, and note when its life begins."""
    worker.index = service.metrics.take()
    worker.since = time.perf_counter()


def _end(service: Service, _server: Any, _worker: Any) -> None:
    """Called in a worker that ends as it should: what it has counted stays."""
    service.end_worker()


def _forget(service: Service, _server: Any, worker: Any) -> None:
    """Take a dead worker's gauges out of the sums; its counters stay, as they must."""
    service.metrics.release(worker.index)


def _begin(service: Service, worker: Any) -> None:
    """Complete the service in its worker, and look for garbage less often than by default.

    Requests leave no reference cycles; each collection is a pause for everybody.
    """
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    first = worker.age <= service.settings.worker_count
    service.start_worker(worker.index, None if first else worker.since)
    # What the warm-up made stays until the end as well.
    gc.freeze()


def _freeze(_server: Any) -> None:
    """Keep the collector off what the master loaded, so that workers go on sharing its pages."""
    gc.collect()
    gc.freeze()


def _memory_folder() -> str:
    """Where heartbeat files go: memory, because a slow disk would look like a dead worker."""
    shared = Path("/dev/shm")  # noqa: S108 - only as a place for gunicorn's own unlinked files
    return str(shared) if os.access(shared, os.W_OK) else tempfile.gettempdir()
