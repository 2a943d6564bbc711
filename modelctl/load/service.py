"""A service of a bundle on this machine, started to be measured and stopped again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.service.serve import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
READY_SECONDS = 120.0
STOP_SECONDS = 30.0
MAX_LOG = 500


@dataclass(frozen=True)
class Started:
    """A ready service: where, how long that took (seconds), and its first process."""

    url: str
    ready_seconds: float
    pid: int

    def processes(self) -> list[int]:
        """The process and all of its descendants."""
        return proc.with_descendants(self.pid)


@contextmanager
def started(bundle: Path, workers: int) -> Iterator[Started]:
    """Serve a bundle with the command of the container. Raises ModelctlError with its last words.

    Its log has a line for each request, as in a pod.
    """
    port = proc.free_port()
    with tempfile.TemporaryDirectory(prefix="ml-model-") as folder:
        own = environment(bundle, host=HOST, port=port, workers=workers)
        own["PROMETHEUS_MULTIPROC_DIR"] = f"{folder}/metrics"
        log = Path(folder) / "log"
        begin = time.perf_counter()
        with (
            log.open("wb") as stream,
            subprocess.Popen(
                [sys.executable, "-m", "app"],
                env={**os.environ, **own},
                stdout=stream,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                url = f"http://{HOST}:{port}"
                _wait_ready(process, url, log)
                yield Started(url, time.perf_counter() - begin, process.pid)
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{url}/ready", timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            time.sleep(0.02)
    raise ModelctlError(
        "the service does not become ready",
        found=log.read_text(errors="replace")[-MAX_LOG:],
        fix="`modelctl serve` shows its whole log",
    )
