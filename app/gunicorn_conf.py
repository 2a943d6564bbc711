"""gunicorn's configuration: settings -> options, and the hooks of a worker's life cycle.

Used by `app.server`, after the settings are read and the bundle is verified.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.front.front import Front
from app.front.worker import Logger, Worker
from app.observability import logs

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from app.service import Service

# Longer than the idle timeout of any proxy in front: the proxy must close first, or it sends a
# request on a connection that is being closed here and its client sees a 502.
KEEPALIVE_SECONDS = 65
# A worker without a heartbeat for this long hangs and is replaced; not a request timeout.
HEARTBEAT_SECONDS = 60
# Allocations between two garbage collections (700 by default).
GARBAGE_THRESHOLD = 20_000
# Time a worker needs to notice the signal, linger and exit, beyond the time for its requests.
MARGIN_SECONDS = 3


def options(service: Service, sockets: Sequence[socket.socket]) -> dict[str, Any]:
    """gunicorn's configuration for a service and what it listens on."""
    settings = service.settings
    Worker.drain_seconds = settings.drain_seconds
    Worker.graceful_seconds = settings.graceful_timeout_seconds
    Worker.create_front = staticmethod(lambda application: Front(application, service))
    return {
        "bind": [f"fd://{each.fileno()}" for each in sockets],
        "workers": settings.worker_count,
        "worker_class": Worker,
        "logger_class": Logger,
        "preload_app": True,
        "keepalive": KEEPALIVE_SECONDS,
        "timeout": HEARTBEAT_SECONDS,
        # The master kills a worker that has not exited by then, so it includes draining.
        "graceful_timeout": (
            settings.drain_seconds + settings.graceful_timeout_seconds + MARGIN_SECONDS
        ),
        "worker_tmp_dir": _memory_folder(),
        # Unused, and its default folder is not writable on a read-only root file system.
        "control_socket_disable": True,
        "logconfig_dict": logs.config(settings.log_level),
        "when_ready": _when_ready,
        "pre_fork": functools.partial(_pre_fork, service),
        "post_worker_init": functools.partial(_post_worker_init, service),
        "worker_exit": functools.partial(_worker_exit, service),
        "child_exit": functools.partial(_child_exit, service),
    }


def _pre_fork(service: Service, _server: Any, worker: Any) -> None:
    """Give a worker its index among the metrics, and note when its life begins."""
    worker.index = service.metrics.take()
    worker.since = time.perf_counter()


def _worker_exit(service: Service, _server: Any, _worker: Any) -> None:
    """Called in a worker on graceful shutdown: write out what it has buffered."""
    service.end_worker()


def _child_exit(service: Service, _server: Any, worker: Any) -> None:
    """Take a dead worker's gauges out of the sums; its counters stay, as they must."""
    service.metrics.release(worker.index)


def _post_worker_init(service: Service, worker: Any) -> None:
    """Start the service in its worker, and collect garbage less often than by default.

    Requests leave no reference cycles, and each collection pauses every client.
    """
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    first = worker.age <= service.settings.worker_count
    service.start_worker(worker.index, None if first else worker.since)
    # What the warm-up made stays until the end as well.
    gc.freeze()


def _when_ready(_server: Any) -> None:
    """Exclude the master's objects from collection, so that workers keep sharing its pages."""
    gc.collect()
    gc.freeze()


def _memory_folder() -> str:
    """Folder of the heartbeat files: in memory, because on a slow disk a worker looks dead."""
    shared = Path("/dev/shm")  # noqa: S108 - only for gunicorn's own unlinked files
    return str(shared) if os.access(shared, os.W_OK) else tempfile.gettempdir()
