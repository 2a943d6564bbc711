"""`python -m app` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests import trained
from tests.paths import ROOT
from tests.ports import free_port

# What takes a second on a quiet machine may take half a minute on a busy one.
DEADLINE_SECONDS = 120.0
TIMEOUT_SECONDS = 60.0
STOP_SECONDS = 10.0
# Set by coverage.py for the processes that it measures.
COVERAGE = "COVERAGE_PROCESS_CONFIG"
# For which processor OpenBLAS computes: numbers are compared with this process's to the last digit.
PROCESSOR = "OPENBLAS_CORETYPE"


def base_environment() -> dict[str, str]:
    """What a service needs of this process's environment; nothing else of it shall matter."""
    names = ("PATH", "HOME", COVERAGE, PROCESSOR)
    return {name: os.environ[name] for name in names if name in os.environ}


def run_to_end(environ: dict[str, str], module: str = "app") -> subprocess.CompletedProcess[str]:
    """A service that is expected to refuse: its exit code and what it said."""
    return subprocess.run(
        [sys.executable, "-m", module],
        env={**base_environment(), **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


class LiveService:
    """One running service: its client, its log, its end."""

    command: tuple[str, ...] = (sys.executable, "-m", "app")

    def __init__(self, bundle: Path, log: Path, environ: dict[str, str]) -> None:
        self.port = free_port()
        self.log_path = log
        temporary = log.with_name(f"{log.name}-tmp")
        temporary.mkdir()
        own = {"MODEL_DIR": str(bundle), "HOST": "127.0.0.1", "PORT": str(self.port)}
        own["TMPDIR"] = str(temporary)
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                self.command,
                env={**base_environment(), **own, **environ},
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        self.client = self._connect()

    def wait_ready(self) -> None:
        """Until /ready answers 200; fails with the log when the process ends before."""
        self.wait_until("ready", lambda: self._status() == 200)

    def wait_until(self, what: str, probe: Callable[[], object]) -> None:
        """Until the probe is true; fails with the log after DEADLINE_SECONDS."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not probe():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"not {what} (rc {self.process.poll()}):\n{self.log()}")
            time.sleep(0.02)

    def reconnect(self) -> None:
        """A client without the connections it had."""
        self.client.close()
        self.client = self._connect()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def log(self) -> str:
        """Everything it said so far."""
        return self.log_path.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event; a line that is just being written is not there yet."""
        whole = self.log().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if line.get("event") == name]

    def metric(self, pattern: str) -> float:
        """The sum of all samples whose name and labels match the pattern."""
        text = self.client.get("/metrics").text
        found = re.findall(rf"^{pattern}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def wait_ended(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(DEADLINE_SECONDS)

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_ended()

    def stop(self) -> None:
        """End it with all its processes, at once: how it ends by itself has tests of its own."""
        self.client.close()
        if COVERAGE in os.environ and self.process.poll() is None:
            # Who is killed does not say what it has run.
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _connect(self) -> httpx.Client:
        # Nothing is encrypted here, and reading the machine's certificates takes a while.
        url = f"http://127.0.0.1:{self.port}"
        return httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, verify=False, trust_env=False)  # noqa: S501

    def _status(self) -> int:
        try:
            return self.client.get("/ready").status_code
        except httpx.TransportError:
            return 0


@contextlib.contextmanager
def starting(folder: Path) -> Iterator[Callable[..., LiveService]]:
    """What starts `python -m app` with environment variables; whatever still runs is stopped."""
    running: list[LiveService] = []

    def starter(bundle: Path, **environ: str) -> LiveService:
        service = LiveService(bundle, folder / f"log-{len(running)}", environ)
        running.append(service)
        service.wait_ready()
        return service

    try:
        yield starter
    finally:
        for service in running:
            service.stop()


@functools.cache
def shared(model: str) -> LiveService:
    """The one service of a sample model for every test that only asks it something."""
    folder = Path(tempfile.mkdtemp(prefix="ml-model-tests-shared-"))
    service = LiveService(trained.bundle(model), folder / "log", {"WORKERS": "1"})
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(service.stop)
    service.wait_ready()
    return service
