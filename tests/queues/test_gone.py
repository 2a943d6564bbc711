"""What somebody else takes away while a consumer runs: its stream, its consumer, its user."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats
import pytest
import redis

from tests.ports import free_port
from tests.queues.brokers import NATS, nats_answers
from tests.queues.consumers import Desk
from tests.queues.processes import Broker, running
from tests.queues.sent import Sent
from tests.queues.test_consume import REQUEST, answered


@pytest.mark.parametrize("what", ["stream", "consumer"])
@pytest.mark.parametrize("kind", ["nats"])
def test_a_stream_or_consumer_that_was_removed_is_made_again(what: str, desk: Desk) -> None:
    desk.consumer()

    async def remove() -> None:
        client = await nats.connect(desk.url)
        js = client.jetstream()
        if what == "stream":
            await js.delete_stream(desk.queue)
        else:
            await js.delete_consumer(desk.queue, "tests")
        await client.close()

    asyncio.run(remove())
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    assert answered(desk, 1)["1"]["status"] == 200


@pytest.mark.parametrize("kind", ["redis"])
def test_a_server_that_was_emptied_is_used_again(desk: Desk) -> None:
    desk.consumer()
    redis.Redis.from_url(desk.url).flushall()
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    assert answered(desk, 1)["1"]["status"] == 200


def test_a_user_that_was_removed_ends_the_consumer_and_says_why(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "nats.conf"

    def allow(user: str) -> None:
        config.write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{tmp_path / "jetstream"}" }}\n'
            f'authorization {{ users: [{{ user: "{user}", password: "old" }}] }}\n'
        )

    def answers(port: int) -> bool:
        return any(nats_answers(port, user=user, **{"pass": "old"}) for user in ("me", "other"))

    allow("me")
    url = f"nats://127.0.0.1:{port}"
    with running(Broker("nats", url, port, tmp_path, [NATS, "-c", config], answers)) as broker:
        desk = Desk("nats", url, "gone", tmp_path)
        try:
            consumer = desk.consumer(QUEUE_USER="me", QUEUE_PASSWORD="old")  # noqa: S106
            allow("other")
            broker.restart()
            assert consumer.wait_ended() == 3
            (line,) = consumer.events("queue_refused")
            assert "QUEUE_PASSWORD" in line["fix"]
        finally:
            desk.stop()
