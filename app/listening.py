"""What a process needs before it may listen: an address, and room for what its workers share.

Everything is tried out, because no rule tells whether an address is this host's, a port is free or
a file system has room.
"""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from typing import TYPE_CHECKING

from app.front.memory import BACKLOG
from app.observability.metrics import shared_counters
from app.variables import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings


def open_sockets(settings: Settings) -> list[socket.socket]:
    """Listen on the ports of the API and of the metrics; the caller closes them.

    `::` is every address of both IP versions. Raises SettingRefusedError.
    """
    host = settings.host.removeprefix("[").removesuffix("]")
    ports = {"PORT": settings.port, "METRICS_PORT": settings.metrics_port}
    return [_open(host, name, port) for name, port in ports.items() if port is not None]


def _open(host: str, name: str, port: int) -> socket.socket:
    is_v6 = ":" in host
    try:
        found = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if is_v6 else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=is_v6 and host == "::",
        )
    except (socket.gaierror, UnicodeError) as error:
        raise refusal("HOST", "an address of this host", host) from error
    except OSError as error:
        why = os.strerror(error.errno or 0)
        if error.errno == errno.EACCES:
            raise refusal(name, "a port that this user may use", str(port)) from error
        if error.errno == errno.EADDRINUSE:
            raise refusal(name, "a port that is free", f"{port} ({why})") from error
        raise refusal("HOST", "an address of this host", f"{host} ({why})") from error
    found.set_inheritable(True)
    return found


def begin_counting(folder: Path) -> None:
    """Make the folder of the metrics, and empty it. Raises SettingRefusedError."""
    try:
        shared_counters.begin(folder)
    except OSError as error:
        expected = "a folder that this user may write"
        raise refusal("PROMETHEUS_MULTIPROC_DIR", expected, f"{folder} ({error})") from error


def require_room(folder: Path, size: int) -> None:
    """Raises SettingRefusedError unless the folder of the metrics takes so many bytes more."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            # Not `truncate`: a sparse file on a full tmpfs is a SIGBUS at its first use.
            os.posix_fallocate(probe.fileno(), 0, size)
    except OSError as error:
        raise refusal(
            "PROMETHEUS_MULTIPROC_DIR",
            f"a writable folder with room for {size} bytes",
            f"{folder} ({os.strerror(error.errno or 0)})",
        ) from error
