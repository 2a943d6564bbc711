"""Does an image do as a pod what it says? Run it without rights, ask it, look inside, end it.

Which program runs containers is told by `containers.Engine`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.quality import smoke
from modelctl.quality.containers import Run
from modelctl.service.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.model.bundle import Bundle
    from modelctl.quality.containers import Engine

READY_SECONDS = 120
END_SECONDS = 60
COMMAND_SECONDS = 300
INTERVAL_SECONDS = 0.2
# What the service says when it refuses its bundle.
REFUSED = 3
WRONG_DIGEST = "sha256:" + "0" * 64
LOG_CHARACTERS = 2000

LOOK_INSIDE = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "user": os.getuid(),
    "root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "model": os.access(os.environ["MODEL_DIR"], os.W_OK),
    "rights": int(status["CapEff"].strip(), 16),
    "more rights": status["NoNewPrivs"].strip() != "1",
}))
"""


@dataclass(frozen=True)
class Finding:
    """One claim about the image, and what was seen."""

    claim: str
    passes: bool
    seen: str


@dataclass(frozen=True)
class Subject:
    """What is tested: an image, the bundle that it should hold, and the memory it gets."""

    image: str
    bundle: Bundle
    memory_mib: int


class _Container:
    """A container that runs in the foreground of a process of ours."""

    def __init__(self, engine: Engine, subject: Subject, digest: str, folder: Path) -> None:
        self.engine = engine
        self.name = f"{subject.bundle.manifest['name']}-test-{os.getpid()}-{digest[7:11]}"
        self.port = _free_port()
        self.log = folder / f"{self.name}.log"
        environ = {"MODEL_DIGEST": digest}
        run = Run(subject.image, self.name, self.port, subject.memory_mib, environ)
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                engine.run(run), stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> str:
        """Wait until it answers; returns why it does not, if so."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            code = self.process.poll()
            if code is not None:
                return f"it ended with exit code {code}: {self.end_of_log()}"
            if _is_ready(self.port):
                return ""
            time.sleep(INTERVAL_SECONDS)
        return f"not ready after {READY_SECONDS} s: {self.end_of_log()}"

    def wait_end(self) -> int | None:
        """The exit code; None when it does not end."""
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def end_of_log(self) -> str:
        return self.log.read_text(errors="replace").strip()[-LOG_CHARACTERS:]


def examine(engine: Engine, subject: Subject) -> list[Finding]:
    """Every claim with what was seen. Raises ModelctlError when the engine itself fails."""
    if pull := engine.pull(subject.image):
        proc.run(pull, timeout_seconds=COMMAND_SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="image-test-") as folder,
        _running(engine, subject, subject.bundle.digest, Path(folder)) as container,
        _running(engine, subject, WRONG_DIGEST, Path(folder)) as refusing,
    ):
        reason = container.wait_ready()
        findings = [
            Finding("ready without a writable root or rights", not reason, reason or "ready")
        ]
        if not reason:
            findings.append(_asked(container, subject.bundle))
            findings += _inside(container)
            findings.append(_ending(container))
        return [*findings, _refusal(refusing)]


@contextmanager
def _running(engine: Engine, subject: Subject, digest: str, folder: Path) -> Iterator[_Container]:
    container = _Container(engine, subject, digest, folder)
    try:
        yield container
    finally:
        if container.process.poll() is None:
            subprocess.run(engine.remove(container.name), capture_output=True, check=False)
            if container.wait_end() is None:
                container.process.kill()
                container.process.wait()


def _asked(container: _Container, bundle: Bundle) -> Finding:
    claim = "predicts its sample as packaging recorded"
    try:
        with Client(f"http://127.0.0.1:{container.port}") as client:
            wrong = smoke.problems(client, bundle)
    except ModelctlError as error:
        return Finding(claim, False, str(error))
    rows = len(smoke.rows_of(bundle)[0])
    return Finding(claim, not wrong, "; ".join(wrong) or f"{rows} rows, {bundle.digest}")


def _inside(container: _Container) -> list[Finding]:
    argv = container.engine.execute(container.name, ["python", "-c", LOOK_INSIDE])
    return judge_inside(json.loads(proc.run(argv, timeout_seconds=COMMAND_SECONDS)))


def judge_inside(seen: dict[str, Any]) -> list[Finding]:
    """What the look into the container says of its rights."""
    return [
        Finding("is not root", seen["user"] != 0, f"user {seen['user']}"),
        Finding("has a read-only root", seen["root"], "read-only" if seen["root"] else "writable"),
        Finding(
            "cannot change its model",
            not seen["model"],
            "writable" if seen["model"] else "not writable",
        ),
        Finding(
            "has no capabilities and gets none",
            not seen["rights"] and not seen["more rights"],
            f"capabilities {seen['rights']:#x}, "
            f"new privileges {'allowed' if seen['more rights'] else 'refused'}",
        ),
    ]


def _ending(container: _Container) -> Finding:
    proc.run(container.engine.stop(container.name), timeout_seconds=COMMAND_SECONDS)
    code = container.wait_end()
    said = f"still runs after {END_SECONDS} s" if code is None else f"exit code {code}"
    return Finding("ends when it is told to", code == 0, said)


def _refusal(container: _Container) -> Finding:
    claim = "refuses to start when git says another digest"
    code = container.wait_end()
    if code is None:
        return Finding(claim, False, f"it still runs after {END_SECONDS} s")
    if code != REFUSED or WRONG_DIGEST not in container.end_of_log():
        return Finding(claim, False, f"exit code {code}: {container.end_of_log()}")
    return Finding(claim, True, f"exit code {code}")


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
