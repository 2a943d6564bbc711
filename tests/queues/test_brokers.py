"""What a broker has acknowledged is there after it was killed: as its own users' client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aio_pika
import nats
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from sandbox.errors import WaitError
from sandbox.wait import Answer, wait_until
from tests.paths import ROOT
from tests.queues import brokers, processes
from tests.queues.processes import Broker

BODY = b'{"instances": [[1, 2]]}'
Start = Callable[[Path], AbstractContextManager[Broker]]
BROKERS: list[Start] = [brokers.nats, brokers.redis, brokers.rabbitmq, brokers.kafka]
each_broker = pytest.mark.parametrize("start", BROKERS, ids=lambda start: start.__name__)


def without_scheme(url: str) -> str:
    return url.partition("://")[2]


async def publish_nats(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().add_stream(name="requests", subjects=["requests"])
    await client.jetstream().publish("requests", BODY)
    await client.close()


async def read_nats(url: str) -> bytes:
    client = await nats.connect(url)
    found = await client.jetstream().get_last_msg("requests", "requests")
    await client.close()
    return found.data or b""


async def publish_redis(url: str) -> None:
    async with Redis.from_url(url) as client:
        await client.xadd("requests", {"body": BODY})


async def read_redis(url: str) -> bytes:
    async with Redis.from_url(url) as client:
        entries: Any = await client.xrange("requests")
    ((_, fields),) = entries
    return bytes(fields[b"body"])


async def publish_rabbitmq(url: str) -> None:
    async with await aio_pika.connect(url) as client:
        channel = await client.channel(publisher_confirms=True)
        quorum: dict[str, Any] = {"x-queue-type": "quorum"}
        await channel.declare_queue("requests", durable=True, arguments=quorum)
        message = aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "requests")


async def read_rabbitmq(url: str) -> bytes:
    async with await aio_pika.connect(url) as client:
        channel = await client.channel()
        queue = await channel.get_queue("requests", ensure=True)
        found = await queue.get(timeout=30)
        await found.ack()
        return found.body


async def publish_kafka(url: str) -> None:
    servers = without_scheme(url)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("requests", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        await producer.send_and_wait("requests", BODY)


async def read_kafka(url: str) -> bytes:
    """By a group, whose coordinator has to be there again as well."""
    async with AIOKafkaConsumer(
        "requests",
        bootstrap_servers=without_scheme(url),
        group_id="readers",
        auto_offset_reset="earliest",
    ) as consumer:
        found = await consumer.getone()
    assert found.value is not None
    return bytes(found.value)


CLIENTS = {
    "nats": (publish_nats, read_nats),
    "redis": (publish_redis, read_redis),
    "rabbitmq": (publish_rabbitmq, read_rabbitmq),
    "kafka": (publish_kafka, read_kafka),
}


def is_known(broker: Broker) -> Answer:
    """Whether a kill leaves the quorum queue: its name is written about a second after it is made.

    RabbitMQ 3.10 answers a declaration before, and cannot start a queue whose name it has lost.
    """
    (names,) = broker.folder.rglob("quorum/*/names.dets")
    return Answer(b"requests" in names.read_bytes(), "")


@each_broker
def test_an_acknowledged_message_survives_a_kill(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish, read = CLIENTS[start.__name__]
    begin = time.monotonic()
    with start(tmp_path) as broker:
        started = time.monotonic()
        asyncio.run(publish(broker.url))
        if start is brokers.rabbitmq:
            wait_until("RabbitMQ has written the queue's name", lambda: is_known(broker), 60)
        first, url = broker.pid.read_text(), broker.url
        killed = time.monotonic()
        broker.restart()
        back = time.monotonic()
        assert (broker.pid.read_text() != first, broker.url) == (True, url)
        assert asyncio.run(asyncio.wait_for(read(broker.url), 60)) == BODY
        group = int(broker.pid.read_text())
    with capsys.disabled():
        print(
            f"\n    measured: {start.__name__} starts in {started - begin:.1f} s,"
            f" is back in {back - killed:.1f} s"
        )
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert not list(tmp_path.glob("*.pid"))


def processes_of(folder: Path) -> set[int]:
    """Processes that were started for a folder, whatever group they put themselves into."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes():
                found.add(int(path.parent.name))
    return found


def test_everything_ends_when_a_test_fails(tmp_path: Path) -> None:
    """RabbitMQ is most: a script, the node with children of its own, and epmd."""
    before: set[int] = set()

    def failing() -> None:
        with brokers.rabbitmq(tmp_path):
            before.update(processes_of(tmp_path))
            raise RuntimeError("as a test does")

    with pytest.raises(RuntimeError, match="as a test does"):
        failing()
    assert len(before) >= 3
    wait_until("all are gone", lambda: Answer(not (left := processes_of(tmp_path)), f"{left}"), 30)


def test_everything_ends_when_the_test_run_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from tests.queues import brokers\n"
        "with brokers.rabbitmq(pathlib.Path(sys.argv[1])): print('runs', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"runs\n"
        assert len(processes_of(tmp_path)) >= 2
        run.kill()
    wait_until("all are gone", lambda: Answer(not (left := processes_of(tmp_path)), f"{left}"), 30)


def test_two_of_a_kind_run_side_by_side(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with brokers.rabbitmq(folders[0]) as one, brokers.rabbitmq(folders[1]) as two:
        asyncio.run(publish_rabbitmq(one.url))
        asyncio.run(publish_rabbitmq(two.url))
        one.kill()
        assert asyncio.run(read_rabbitmq(two.url)) == BODY


@pytest.fixture
def refusing(tmp_path: Path) -> Broker:
    """A broker that says why it does not start."""
    argv = ["/bin/sh", "-c", "echo no space left; exit 3"]
    return Broker("refusing", "refusing://", 1, tmp_path, argv, lambda _: False)


def test_a_broker_that_does_not_start_shows_what_it_said(refusing: Broker) -> None:
    with pytest.raises(WaitError, match=r"(?s)process exited.*no space left"):
        refusing.start()
    refusing.kill()
    assert not refusing.pid.exists()


def test_a_stopped_broker_ends_by_itself(tmp_path: Path) -> None:
    with brokers.redis(tmp_path) as broker:
        asyncio.run(publish_redis(broker.url))
        broker.stop()
        assert "Received SIGTERM scheduling shutdown" in broker.log.read_text()
        broker.start()
        assert asyncio.run(read_redis(broker.url)) == BODY


def test_a_missing_program_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(AssertionError, match="no-such-program is missing: apt-get install such"):
        processes.program("no-such-program", "such")
