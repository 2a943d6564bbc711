"""Start one server on its own core, wait until it is ready, read its memory, and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.proc import with_descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.servers import Server

SERVER_CORE = "0"
DEADLINE_SECONDS = 90.0
POLL_SECONDS = 0.01
PRIORITY = "-20"


class Running:
    """A server that is ready."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.process = process
        self.seconds_to_ready = seconds

    def processes(self) -> list[int]:
        """Return the server's process and its descendants."""
        return with_descendants(self.process.pid)

    def memory_mb(self) -> float:
        """Return the proportional memory of all its processes: shared pages count once."""
        return sum(_rollup(pid, "Pss") for pid in self.processes()) / 1024

    def private_mb(self) -> list[float]:
        """Return the private memory of each descendant process."""
        workers = self.processes()[1:]
        return [
            (_rollup(pid, "Private_Dirty") + _rollup(pid, "Private_Clean")) / 1024
            for pid in workers
        ]


@contextmanager
def running(server: Server, log: Path) -> Iterator[Running]:
    """Start the server, wait until it is ready, and finally stop it and its descendants."""
    environ = {**os.environ, **server.env}
    started = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *server.argv],
            env=environ,
            cwd=server.cwd,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    prefer(process.pid)
    try:
        while not _is_ready(server):
            if process.poll() is not None or time.perf_counter() - started > DEADLINE_SECONDS:
                text = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{server.name} did not become ready:\n{text}")
            time.sleep(POLL_SECONDS)
        yield Running(process, time.perf_counter() - started)
    finally:
        _end(process)


def prefer(pid: int) -> None:
    """Prioritize the session of a process over other work on this machine, where permitted.

    The kernel weighs sessions first and priorities only within one.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(PRIORITY)


def answer_of(server: Server) -> tuple[int, bytes]:
    """Return status and body of one prediction, to verify it."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", server.path, server.body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _is_ready(server: Server) -> bool:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=2)
    try:
        connection.request("GET", server.ready)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its own session: the group holds this server's processes and no others.
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        break
    process.wait()


def _rollup(pid: int, key: str) -> int:
    """Return a value of smaps_rollup, in kilobytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    return 0
