"""Measure the memory of a served bundle: the shared part, and the part of each worker.

    .venv/bin/python -m benchmarks.memory [BUNDLE]...

Serves each bundle with one, two and four workers, asks for full batches on many connections at
once, and reads the memory of all its processes at the end, as a pod of its own would be charged:
what they wrote, shared pages once, and the files of the process that has mapped most. The two
figures go into `memoryBudget` of the capacity file; the chart refuses a limit that they do not fit.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.running import running
from benchmarks.servers import Server

BUNDLES = Path("build/bundles")
WORKERS = (1, 2, 4)
CONNECTIONS = 16
SECONDS = 8.0
BATCH_ROWS = 100
# Figures are rounded up to this, MiB: other machines need slightly more or less.
STEP = 5


@dataclass(frozen=True)
class Need:
    """Memory of one bundle, MiB; `measured` is by number of workers."""

    name: str
    engine: str
    measured: dict[int, float]

    @property
    def per_worker(self) -> float:
        """The memory of each additional worker."""
        first, last = min(self.measured), max(self.measured)
        return (self.measured[last] - self.measured[first]) / (last - first)

    @property
    def base(self) -> float:
        """The memory that does not depend on the number of workers."""
        first = min(self.measured)
        return self.measured[first] - first * self.per_worker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="*", type=Path)
    bundles = parser.parse_args().bundles or sorted(
        path.parent for path in BUNDLES.glob("*/*.json")
    )
    print("| bundle | engine | " + " | ".join(f"{n} workers" for n in WORKERS), end="")
    print(" | `baseMi` | `perWorkerMi` |\n|---|---|" + "---:|" * (len(WORKERS) + 2))
    for bundle in dict.fromkeys(bundles):
        need = measure(bundle)
        cells = [f"{need.measured[n]:.0f} MiB" for n in WORKERS]
        cells += [str(rounded(need.base)), str(rounded(need.per_worker))]
        print(f"| {need.name} | {need.engine} | {' | '.join(cells)} |", flush=True)
    return 0


def rounded(mebibytes: float) -> int:
    """Round up for a capacity file."""
    return math.ceil(mebibytes / STEP) * STEP


def measure(bundle: Path) -> Need:
    """Measure a bundle with each number of workers."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    rows = json.loads((bundle / "sample.json").read_text())["rows"]
    body = json.dumps({"instances": (rows * BATCH_ROWS)[:BATCH_ROWS]})
    with tempfile.TemporaryDirectory() as folder:
        measured = {n: _loaded(bundle, body, n, Path(folder)) for n in WORKERS}
    return Need(bundle.name, str(manifest["engine"]), measured)


def _loaded(bundle: Path, body: str, workers: int, folder: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        "MODEL_DIR": str(bundle.absolute()),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WORKERS": str(workers),
        "LOG_SAMPLE_RATIO": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / f"metrics-{workers}"),
    }
    server = Server(
        *("ml-model", [sys.executable, "-m", "app"], port, "/ready", "/predict/batch", body, env)
    )
    with running(server, folder / "log") as started:
        deadline = time.monotonic() + SECONDS
        failed: list[str] = []
        clients = [
            threading.Thread(target=_ask, args=(server, deadline, failed))
            for _ in range(CONNECTIONS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if failed:
            raise RuntimeError(f"prediction by {bundle} failed: {failed[0]}")
        return charged(started.processes())


def charged(pids: list[int]) -> float:
    """Return the memory of these processes, MiB.

    Not their PSS: of a library that strangers use as well it counts a share, and a pod's libraries
    are its own.
    """
    written = sum(_kilobytes(pid, "smaps_rollup", "Pss_Anon") for pid in pids)
    written += sum(_kilobytes(pid, "smaps_rollup", "Pss_Shmem") for pid in pids)
    return (written + max(_kilobytes(pid, "status", "RssFile") for pid in pids)) / 1024


def _kilobytes(pid: int, file: str, key: str) -> int:
    """Return a value from a file in /proc of a process."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {key} in /proc/{pid}/{file}")


def _ask(server: Server, deadline: float, failed: list[str]) -> None:
    """Request full batches, each on a new connection, so that all workers get some."""
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", server.path, server.body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        # 503 is shedding, which needs no memory.
        if response.status not in (200, 503):
            failed.append(f"{response.status} {content[:300]!r}")
            return
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
