"""Run an image unprivileged as a pod would, and check its service, its permissions and its exit.

`containers.Engine` is the program that runs containers.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.healthcheck import is_ready
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
EXIT_SECONDS = 60
COMMAND_SECONDS = 300
INTERVAL_SECONDS = 0.2
# The service's exit code when it refuses its bundle.
REFUSED = 3
WRONG_DIGEST = "sha256:" + "0" * 64
LOG_CHARACTERS = 2000

INSPECTION = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "user": os.getuid(),
    "root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "model": os.access(os.environ["MODEL_DIR"], os.W_OK),
    "capabilities": int(status["CapEff"].strip(), 16),
    "new_privileges": status["NoNewPrivs"].strip() != "1",
}))
"""


@dataclass(frozen=True)
class ImageCheck:
    """One claim about the image, whether it holds, and what was observed."""

    claim: str
    passes: bool
    seen: str


@dataclass(frozen=True)
class Subject:
    """The image under test, the bundle that it should contain, and its memory limit."""

    image: str
    bundle: Bundle
    memory_mib: int


class _Container:
    """A container in the foreground of a child process."""

    def __init__(self, engine: Engine, subject: Subject, digest: str, folder: Path) -> None:
        self.engine = engine
        self.name = f"{subject.bundle.manifest['name']}-test-{os.getpid()}-{digest[7:11]}"
        self.port = proc.free_port()
        self.log = folder / f"{self.name}.log"
        environ = {"MODEL_DIGEST": digest}
        run = Run(subject.image, self.name, self.port, subject.memory_mib, environ)
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                engine.run(run), stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> str:
        """Wait until the service is ready; return why it is not, or an empty text."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            code = self.process.poll()
            if code is not None:
                return f"exit code {code}: {self.log_tail()}"
            if is_ready(self.port):
                return ""
            time.sleep(INTERVAL_SECONDS)
        return f"timed out after {READY_SECONDS} s: {self.log_tail()}"

    def wait_exit(self) -> int | None:
        """The exit code; None on timeout."""
        try:
            return self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace").strip()[-LOG_CHARACTERS:]


def examine(engine: Engine, subject: Subject) -> list[ImageCheck]:
    """Check every claim. Raises ModelctlError if the container engine itself fails."""
    if pull := engine.pull(subject.image):
        proc.run(pull, timeout_seconds=COMMAND_SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="image-test-") as folder,
        _running(engine, subject, subject.bundle.digest, Path(folder)) as container,
        _running(engine, subject, WRONG_DIGEST, Path(folder)) as refusing,
    ):
        reason = container.wait_ready()
        checks = [
            ImageCheck("becomes ready unprivileged, read-only root", not reason, reason or "ready")
        ]
        if not reason:
            checks.append(_check_predictions(container, subject.bundle))
            checks += _check_permissions(container)
            checks.append(_check_exit(container))
        return [*checks, _check_refusal(refusing)]


@contextmanager
def _running(engine: Engine, subject: Subject, digest: str, folder: Path) -> Iterator[_Container]:
    container = _Container(engine, subject, digest, folder)
    try:
        yield container
    finally:
        if container.process.poll() is None:
            subprocess.run(engine.remove(container.name), capture_output=True, check=False)
            if container.wait_exit() is None:
                container.process.kill()
                container.process.wait()


def _check_predictions(container: _Container, bundle: Bundle) -> ImageCheck:
    claim = "predicts its sample as recorded"
    try:
        with Client(f"http://127.0.0.1:{container.port}") as client:
            mismatches = smoke.mismatches(client, bundle)
    except ModelctlError as error:
        return ImageCheck(claim, False, str(error))
    rows = len(smoke.sample_rows(bundle)[0])
    observed = "; ".join(mismatches) or f"{rows} rows, {bundle.digest}"
    return ImageCheck(claim, not mismatches, observed)


def _check_permissions(container: _Container) -> list[ImageCheck]:
    argv = container.engine.execute(container.name, ["python", "-c", INSPECTION])
    return judge_permissions(json.loads(proc.run(argv, timeout_seconds=COMMAND_SECONDS)))


def judge_permissions(seen: dict[str, Any]) -> list[ImageCheck]:
    """The checks of what INSPECTION prints in the container."""
    capabilities, new_privileges = seen["capabilities"], seen["new_privileges"]
    return [
        ImageCheck("does not run as root", seen["user"] != 0, f"user {seen['user']}"),
        ImageCheck(
            "has a read-only root filesystem",
            seen["root"],
            "read-only" if seen["root"] else "writable",
        ),
        ImageCheck(
            "cannot write to its model",
            not seen["model"],
            "writable" if seen["model"] else "not writable",
        ),
        ImageCheck(
            "has no capabilities and cannot gain any",
            not capabilities and not new_privileges,
            f"capabilities {capabilities:#x}, "
            f"new privileges {'allowed' if new_privileges else 'refused'}",
        ),
    ]


def _check_exit(container: _Container) -> ImageCheck:
    proc.run(container.engine.stop(container.name), timeout_seconds=COMMAND_SECONDS)
    code = container.wait_exit()
    observed = f"timed out after {EXIT_SECONDS} s" if code is None else f"exit code {code}"
    return ImageCheck("exits on SIGTERM", code == 0, observed)


def _check_refusal(container: _Container) -> ImageCheck:
    claim = "refuses another bundle digest"
    code = container.wait_exit()
    if code is None:
        return ImageCheck(claim, False, f"still running after {EXIT_SECONDS} s")
    if code != REFUSED or WRONG_DIGEST not in container.log_tail():
        return ImageCheck(claim, False, f"exit code {code}: {container.log_tail()}")
    return ImageCheck(claim, True, f"exit code {code}")
