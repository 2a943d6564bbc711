"""Brokers that let in who shows a certificate and knows a password, each by its own TLS."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.certificates import Authority, authority
from tests.ports import free_port
from tests.queues import brokers
from tests.queues.brokers import Door
from tests.queues.consumers import Desk
from tests.queues.processes import Broker
from tests.queues.sent import Sent
from tests.queues.test_consume import REQUEST, answered, until

# What comes before host and port, and after them.
URLS = {
    "nats": ("tls://", ""),
    "redis": ("rediss://", "/0"),
    "rabbitmq": ("amqps://", "/"),
    "kafka": ("kafka+ssl://", ""),
}
WAYS = [
    *(pytest.param(kind, "", id=kind) for kind in URLS),
    pytest.param("kafka", "?mechanism=SCRAM-SHA-256", id="kafka by SCRAM-SHA-256"),
    pytest.param("kafka", "?mechanism=SCRAM-SHA-512", id="kafka by SCRAM-SHA-512"),
]


@dataclass(frozen=True)
class Guarded:
    """A broker, the CA that it trusts, and what lets a consumer in."""

    kind: str
    broker: Broker
    trusted: Authority
    let_in: dict[str, str]

    def told(self, more: str = "") -> dict[str, str]:
        """What lets a consumer in; `more` at the end of the URL."""
        return {**self.let_in, "QUEUE_URL": self.let_in["QUEUE_URL"] + more}

    @contextmanager
    def desk(self, folder: Path) -> Iterator[Desk]:
        """A queue, to which the test sends without a certificate; its consumers are ended."""
        desk = Desk(self.kind, self.broker.url, f"tests-{secrets.token_hex(6)}", folder)
        try:
            yield desk
        finally:
            desk.stop()


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Guarded]]:
    """What starts a broker of each kind with a door."""
    trusted = authority(tmp_path_factory.mktemp("trusted") / "ca")
    server, client = trusted.issue("server"), trusted.issue("client")
    running: dict[str, Guarded] = {}

    def start(kind: str) -> Guarded:
        if kind not in running:
            door = Door(free_port(), trusted.ca, *server)
            make, folder = getattr(brokers, kind), tmp_path_factory.mktemp(kind)
            broker = stack.enter_context(make(folder, door=door))
            before, after = URLS[kind]
            let_in = {
                "QUEUE_URL": f"{before}127.0.0.1:{door.port}{after}",
                "QUEUE_CA": str(trusted.ca),
                "QUEUE_CERT": str(client[0]),
                "QUEUE_KEY": str(client[1]),
                "QUEUE_USER": door.user if kind != "rabbitmq" else "guest",
                "QUEUE_PASSWORD": door.password if kind != "rabbitmq" else "guest",
            }
            running[kind] = Guarded(kind, broker, trusted, let_in)
        return running[kind]

    with ExitStack() as stack:
        yield start


@pytest.mark.parametrize(("kind", "more"), WAYS)
def test_who_has_both_is_let_in(
    kind: str, more: str, guard: Callable[[str], Guarded], tmp_path: Path
) -> None:
    guarded = guard(kind)
    with guarded.desk(tmp_path) as desk:
        desk.consumer(**guarded.told(more), **desk.store())
        desk.side.send([Sent(REQUEST, {"id": "one"})])
        (answer,) = answered(desk, 1).values()
    assert answer["status"] == 200, answer


@pytest.mark.parametrize("kind", URLS)
def test_who_trusts_another_is_told_so(
    kind: str, guard: Callable[[str], Guarded], tmp_path: Path
) -> None:
    guarded = guard(kind)
    environ = {**guarded.told(), "QUEUE_CA": str(authority(tmp_path / "other").ca)}
    with guarded.desk(tmp_path) as desk:
        consumer = desk.start(**environ, **desk.store())
        until("said", lambda: said(desk.log()))
        assert "certificate" in said(desk.log()).lower(), said(desk.log())
        assert consumer.process.wait(30) == 3


@pytest.mark.parametrize("kind", URLS)
def test_who_shows_nothing_is_not_let_in(
    kind: str, guard: Callable[[str], Guarded], tmp_path: Path
) -> None:
    guarded = guard(kind)
    environ = guarded.told()
    del environ["QUEUE_CERT"], environ["QUEUE_KEY"]
    with guarded.desk(tmp_path) as desk:
        consumer = desk.start(**environ, **desk.store())
        until("said", lambda: said(desk.log()))
        # NATS and Redis may close the connection before what they say of it is read.
        if kind in ("nats", "redis"):
            with suppress(httpx.TransportError):
                assert consumer.client.get("/ready").status_code == 503
            return
        assert "certificate" in said(desk.log()).lower(), said(desk.log())
        assert consumer.process.wait(30) == 3


@pytest.mark.parametrize(("kind", "more"), [way for way in WAYS if way.id != "nats"])
def test_who_does_not_know_the_password_is_not_let_in(
    kind: str, more: str, guard: Callable[[str], Guarded], tmp_path: Path
) -> None:
    guarded = guard(kind)
    environ = {**guarded.told(more), "QUEUE_PASSWORD": "wrong"}
    with guarded.desk(tmp_path) as desk:
        consumer = desk.start(**environ, **desk.store())
        assert consumer.process.wait(60) == 3
        assert "QUEUE_PASSWORD" in said(desk.log())
        assert '"wrong"' not in desk.log()


def said(log: str) -> str:
    """The first line that says why there is no connection."""
    lines = [json.loads(line) for line in log.splitlines()]
    events = ("queue_refused", "queue_unavailable")
    return next((json.dumps(line) for line in lines if line.get("event") in events), "")
