"""A broker as a process of its own, that can be killed and started again on its data.

Must not know which broker it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.wait import Answer, wait_until

# Java needs seconds on a quiet machine, and a minute on a busy one.
DEADLINE_SECONDS = 180
END_SECONDS = 30
PROBE_SECONDS = 5
# Where Debian keeps programs that only root runs.
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def program(name: str, package: str) -> str:
    """The path of a program of Debian's; an AssertionError with the command that installs it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PATH}")
    assert path, f"{name} is missing: apt-get install {package}"
    return path


@dataclass
class Broker:
    """One broker and its data: `url` is the same after a restart.

    Its output is in `<name>.log` of the folder, its process group in `<name>.pid`.
    """

    name: str
    url: str
    port: int
    folder: Path
    argv: Sequence[str | Path]
    # Whether it answers at a port of 127.0.0.1, in its own protocol. May raise OSError.
    answers: Callable[[int], bool]
    environ: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it says, of all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> Path:
        """The file with its process group, which is there while it runs."""
        return self.folder / f"{self.name}.pid"

    def start(self) -> None:
        """Start it and wait until it answers. Raises WaitError with the end of its log."""
        assert self._process is None, f"{self.name} runs already"
        with self.log.open("ab") as output:
            self._process = process = subprocess.Popen(
                # A test run that is killed takes it along.
                ["setpriv", "--pdeathsig", "KILL", *map(str, self.argv)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": PATH, "HOME": str(self.folder), **self.environ},
                start_new_session=True,
            )
        self.pid.write_text(str(process.pid))
        wait_until(
            f"{self.name} at {self.url} answers",
            self._answer,
            DEADLINE_SECONDS,
            interval_seconds=0.1,
            log=self.log,
            alive=lambda: process.poll() is None,
        )

    def kill(self) -> None:
        """SIGKILL for all its processes, as when a machine goes; returns when they are gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as when a pod is deleted; SIGKILL for what is left of it."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it, start it again on the same port and data, and wait until it answers."""
        self.kill()
        self.start()

    def _answer(self) -> Answer:
        try:
            return Answer(self.answers(self.port), "")
        except OSError as error:
            return Answer(False, str(error))

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        # Its children, which may not have had the signal or not have obeyed it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(f"{self.name} is gone", lambda: _gone(process.pid), END_SECONDS)
        self.pid.unlink()


@contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """The broker meanwhile, from the moment that it answers; all of it ends with the block."""
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def _gone(group: int) -> Answer:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return Answer(True, "")
    return Answer(False, f"process group {group} is there")


def exchange(port: int, sent: bytes, *, end: Callable[[bytes], bool]) -> bytes:
    """What is answered at a port until `end` of it, or until the other side closes.

    Raises OSError when nobody is there.
    """
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PROBE_SECONDS) as connection:
        connection.sendall(sent)
        while not end(found) and (more := connection.recv(65536)):
            found += more
    return found
