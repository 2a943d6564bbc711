"""`modelctl serve`: the container's own command, on this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from app.model.bundle import verify
from modelctl.errors import RefusedError
from modelctl.service.serve import environment
from tests import trained
from tests.app.live import DEADLINE_SECONDS
from tests.paths import ROOT
from tests.ports import free_port


def test_a_served_bundle_answers_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "modelctl", "serve", str(trained.bundle("iris"))]
    log = tmp_path / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, stdout=stream, stderr=stream
        )
    try:
        info = wait_for(f"http://127.0.0.1:{port}/model/info", process, log)
        assert info["digest"] == verify(trained.bundle("iris")).digest
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(DEADLINE_SECONDS)
    assert code == 0


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """The first JSON answer of a URL; fails with the log at the deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            answer: dict[str, str] = httpx.get(url).json()
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        return answer
    raise AssertionError(f"no answer from {url}:\n{log.read_text()}")


def test_a_broken_bundle_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"manifest\.json"):
        environment(tmp_path, host="127.0.0.1", port=1, workers=None)
