"""Measure the memory of a served bundle: the shared part, and the part of each worker.

Serves a bundle with one and four workers, asks for full batches on many connections at once, and
reads the memory of all its processes at the end, as a pod of its own would be charged. The two
figures go into `memoryBudget` of the capacity file; the chart refuses a limit that they do not fit.
"""

from __future__ import annotations

import math
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from modelctl.errors import ModelctlError
from modelctl.load.service import started

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = (1, 4)
CONNECTIONS = 16
# Figures are rounded up to this, MiB: other machines need slightly more or less.
STEP = 5


class Memory(NamedTuple):
    """Memory of a bundle, MiB: independent of the number of workers, and of each worker."""

    base: int
    per_worker: int


def measure(bundle: Path, body: bytes, seconds: float, on_step: Callable[[str], None]) -> Memory:
    """Measure a bundle. `body`: of /predict/batch. Raises ModelctlError."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise ModelctlError(
            "memory can only be measured on Linux",
            fix="use --no-memory, or run it in a container",
        )
    few, many = WORKERS
    found = {}
    for workers in WORKERS:
        on_step(f"memory with {workers} {'worker' if workers == 1 else 'workers'}")
        found[workers] = _loaded(bundle, body, workers, seconds)
    per_worker = max(0.0, (found[many] - found[few]) / (many - few))
    return Memory(_rounded(found[few] - few * per_worker), _rounded(per_worker))


def _rounded(mebibytes: float) -> int:
    """Round up for a capacity file."""
    return math.ceil(mebibytes / STEP) * STEP


def _loaded(bundle: Path, body: bytes, workers: int, seconds: float) -> float:
    with started(bundle, workers) as service:
        deadline = time.monotonic() + seconds
        failed: list[str] = []
        clients = [
            threading.Thread(target=_ask, args=(service.url, body, deadline, failed))
            for _ in range(CONNECTIONS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if failed:
            raise ModelctlError("the service failed under load", found=failed[0])
        return charged(service.processes())


def charged(pids: list[int]) -> float:
    """The memory of these processes as a pod of its own is charged for it, MiB.

    What they wrote, shared pages once, and the mapped files of the process that has most. Not their
    PSS: of a library that strangers use as well it counts a share, and a pod's libraries are its
    own.
    """
    written = sum(_kilobytes(pid, "smaps_rollup", "Pss_Anon") for pid in pids)
    written += sum(_kilobytes(pid, "smaps_rollup", "Pss_Shmem") for pid in pids)
    return (written + max(_kilobytes(pid, "status", "RssFile") for pid in pids)) / 1024


def _kilobytes(pid: int, file: str, key: str) -> int:
    """A value from a file in /proc of a process."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise ModelctlError(f"no {key} in /proc/{pid}/{file}")


def _ask(url: str, body: bytes, deadline: float, failed: list[str]) -> None:
    """Request full batches, each on a new connection, so that all workers get some."""
    while time.monotonic() < deadline:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("POST", "/predict/batch", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        # 503 is shedding, which needs no memory.
        if response.status not in (200, 503):
            failed.append(f"{response.status} {content[:300]!r}")
            return
