"""`python -m app` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 20.0


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveService:
    """One running service: its client, its log, its end."""

    def __init__(self, bundle: Path, log: Path, environ: dict[str, str]) -> None:
        self.port = free_port()
        self.log_path = log
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"MODEL_DIR": str(bundle), "HOST": "127.0.0.1", "PORT": str(self.port)}
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app"],
                env={**keep, **own, **environ},
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def wait_ready(self) -> None:
        """Until /ready answers 200; fails with the log when the process ends before."""
        self.wait_until("ready", lambda: self._status() == 200)

    def wait_until(self, what: str, probe: Any) -> None:
        """Until the probe is true; fails with the log after DEADLINE_SECONDS."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not probe():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"not {what} (rc {self.process.poll()}):\n{self.log()}")
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def log(self) -> str:
        """Everything it said so far."""
        return self.log_path.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = [json.loads(line) for line in self.log().splitlines()]
        return [line for line in lines if line.get("event") == name]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def stop(self) -> None:
        """End it, gracefully or not."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _status(self) -> int:
        try:
            return self.client.get("/ready").status_code
        except httpx.TransportError:
            return 0
