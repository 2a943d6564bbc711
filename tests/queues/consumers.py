"""`python -m app.consume` as a process, by the queue of a broker."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote

from tests import trained
from tests.app.live import LiveService
from tests.queues.sides import SIDES, Side

# Signs of life are expected sooner than by default, so that a test sees what happens without them.
QUICK = {"QUEUE_ACK_SECONDS": "2", "QUEUE_RETRY_SECONDS": "0.1"}


class Consumer(LiveService):
    """One consumer, with its HTTP side for probes and metrics."""

    command = (sys.executable, "-m", "app.consume")

    def results(self) -> dict[str, float]:
        """Deliveries by what became of them."""
        names = ("answered", "refused", "failed", "expired", "duplicate", "retried", "released")
        return {
            name: self.metric(rf'ml_consumer_messages_total\{{result="{name}"\}}') for name in names
        }

    def metric(self, pattern: str) -> float:
        """As of a service; labels are part of the pattern."""
        for line in self.client.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == pattern.replace("\\", ""):
                return float(value)
        return 0.0


class Desk:
    """A broker, the queue of a test on it, and the consumers that a test starts."""

    def __init__(self, kind: str, url: str, queue: str, folder: Path) -> None:
        self.kind, self.url, self.queue = kind, url, queue
        self.side: Side = SIDES[kind](url, queue)
        self._folder = folder
        self._consumers: list[Consumer] = []

    def start(self, kind: type[Consumer] = Consumer, /, **environ: str) -> Consumer:
        """Another consumer; it may not be ready yet."""
        log = self._folder / f"consumer-{len(self._consumers)}.log"
        # As in the image, where nobody has made it.
        metrics = {"PROMETHEUS_MULTIPROC_DIR": str(log.with_suffix(".metrics"))}
        own = {"QUEUE_URL": self.url, "QUEUE_NAME": self.queue, "QUEUE_GROUP": "tests"}
        consumer = kind(trained.bundle("penguins"), log, {**own, **metrics, **QUICK, **environ})
        self._consumers.append(consumer)
        return consumer

    def consumer(self, kind: type[Consumer] = Consumer, /, **environ: str) -> Consumer:
        """Another consumer, ready."""
        consumer = self.start(kind, **environ)
        consumer.wait_ready()
        return consumer

    def store(self) -> dict[str, str]:
        """Settings with which each id has one answer: a store, where the broker is none."""
        return {} if self.side.has_keys else {"REPLY_URL": f"file://{self._folder / 'store'}"}

    def answers(self) -> dict[str, bytes]:
        """Every answer by its key, from the broker or from the store of `store`."""
        store = self._folder / "store"
        if not store.is_dir():
            return self.side.answers()
        files = store.rglob("*.json")
        return {
            unquote(str(path.relative_to(store).with_suffix(""))): path.read_bytes()
            for path in files
        }

    def log(self) -> str:
        """What all of them said."""
        return "".join(one.log() for one in self._consumers)

    def stop(self) -> None:
        """End them all."""
        for consumer in self._consumers:
            consumer.stop()
