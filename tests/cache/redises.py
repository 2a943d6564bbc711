"""A Redis and its own client, a proxy before it, and services that share it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.admission import Deadline
from app.model.prediction import Prediction
from app.service import Service
from tests.app.cache import asked
from tests.queues.processes import Broker, program

# Longer than any pause of this machine, so that what is found does not depend on it.
PATIENT_MS = "1000"
WAIT_SECONDS = 60.0
ROW = [5.1, 3.5, 1.4, 0.2]
OTHER_ROW = [6.0, 2.9, 4.5, 1.5]


@dataclass
class Redis:
    """A running Redis, as its own client sees it."""

    broker: Broker

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.broker.port}/0"

    def say(self, *words: str, stdin: bytes | None = None, password: str = "") -> str:
        """What redis-cli answers; with `stdin` as the last word."""
        argv = [program("redis-cli", "redis-tools"), "-p", str(self.broker.port), "--raw"]
        argv += ["-x"] if stdin is not None else []
        environ = {**os.environ, **({"REDISCLI_AUTH": password} if password else {})}
        done = subprocess.run(
            [*argv, *words], input=stdin, capture_output=True, check=True, env=environ, timeout=30
        )
        return done.stdout.decode("utf-8", "replace").rstrip("\n")

    def keys(self) -> list[str]:
        return sorted(self.say("KEYS", "*").split())

    def read(self, key: str) -> bytes:
        """The bytes under a key."""
        argv = [program("redis-cli", "redis-tools"), "-p", str(self.broker.port), "GET", key]
        found = subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout
        return found[:-1]

    def sent_bytes(self) -> int:
        """What it has sent to all its clients so far."""
        lines = self.say("INFO", "stats").split()
        return int(next(each for each in lines if "total_net_output_bytes" in each).split(":")[1])

    def pause(self) -> None:
        """It accepts, and says nothing."""
        os.kill(int(self.broker.pid.read_text()), signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(int(self.broker.pid.read_text()), signal.SIGCONT)


@dataclass
class Asker:
    """A service in this process that shares its predictions, and what it found."""

    service: Service
    total: dict[str, int] = field(default_factory=dict)

    def ask(self, row: list[float] | None = None) -> Prediction:
        """The prediction of a row, which has to be the engine's."""
        assert self.service.cache is not None
        batch = asked.batch(self.service, [row or ROW])
        found = self.service.cache.predict(batch, Deadline(60_000))
        right = self.service.engine.predict(batch)
        assert found.values == right.values
        assert found.probabilities is not None
        assert right.probabilities is not None
        assert found.probabilities.tobytes() == right.probabilities.tobytes()
        return found

    def timed(self, row: list[float]) -> float:
        """Seconds that the cache took for a row, by what else is the engine's."""
        assert self.service.cache is not None
        batch = asked.batch(self.service, [row])
        started = time.perf_counter()
        self.service.cache.predict(batch, Deadline(60_000))
        return time.perf_counter() - started

    def counts(self) -> dict[str, int]:
        """All that was counted so far."""
        for what, number in asked.counts(self.service).items():
            self.total[what] = self.total.get(what, 0) + number
        return self.total

    @property
    def is_connected(self) -> bool:
        assert self.service.cache is not None
        self.counts()
        state = self.service.cache.state()
        for what, number in state.counts.items():
            self.total[what] = self.total.get(what, 0) + number
        return state.is_connected

    def wait_connected(self, *, to: bool = True) -> None:
        """Until Redis answers it, or does not."""
        wait(f"connected: {to}", lambda: self.is_connected == to)

    def close(self) -> None:
        self.service.end_worker()


def wait(what: str, probe: Callable[[], object]) -> None:
    """Until it is true."""
    end = time.monotonic() + WAIT_SECONDS
    while not probe():
        assert time.monotonic() < end, f"not {what}"
        time.sleep(0.01)


class Proxy:
    """Passes bytes to a port and back, the answers after `delay` seconds."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.delay = 0.0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for source, target, is_back in ((near, far, False), (far, near, True)):
                threading.Thread(
                    target=self._pass, args=(source, target, is_back), daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_back: bool) -> None:
        try:
            while data := source.recv(65536):
                if is_back:
                    time.sleep(self.delay)
                target.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, target):
                each.close()
