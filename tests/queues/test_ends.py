"""A consumer that is told to end in each of its states, and stores that are away meanwhile."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.ports import free_port
from tests.queues.consumers import Consumer, Desk
from tests.queues.sent import Sent
from tests.queues.test_consume import FATAL, PROGRAM, REQUEST, answered, until

# Far more than it takes, and less than what ends a pod (30 s) or the prediction below.
SOON_SECONDS = 15.0


class Slow(Consumer):
    """A consumer for which one row takes longer than anybody waits."""

    command = (
        sys.executable,
        "-c",
        PROGRAM.format(fault="time.sleep(25)").replace(
            "from app.consume.__main__",
            "from app import service; service.INLINE_SECONDS = 0\nfrom app.consume.__main__",
        ),
    )


def test_who_waits_for_a_broker_ends_without_a_fault(desk: Desk) -> None:
    consumer = desk.start(QUEUE_URL=f"{desk.url.partition(':')[0]}://127.0.0.1:{free_port()}")
    consumer.wait_until("reported", lambda: consumer.events("queue_unavailable"))
    assert consumer.terminate() == 0
    assert consumer.events("consumer_stopped")


def test_an_idle_consumer_ends_at_once(desk: Desk) -> None:
    consumer = desk.consumer()
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    answered(desk, 1)
    # Nobody sees how often it has asked in vain, which is what this is about.
    idle = time.monotonic() + 6
    until("it has asked in vain", lambda: time.monotonic() > idle)
    started = time.monotonic()
    assert consumer.terminate() == 0
    assert time.monotonic() - started < SOON_SECONDS
    assert consumer.events("queue_unavailable") == []


def test_a_slow_prediction_does_not_keep_a_consumer_from_ending(desk: Desk) -> None:
    consumer = desk.consumer(Slow, QUEUE_PREFETCH="1", GRACEFUL_TIMEOUT_SECONDS="1")
    desk.side.send([Sent(FATAL, {"id": "slow"})])
    until("it is held", lambda: consumer.metric("ml_consumer_in_flight") == 1)
    started = time.monotonic()
    consumer.process.terminate()
    consumer.wait_until("stopped", lambda: consumer.events("consumer_stopped"))
    assert time.monotonic() - started < SOON_SECONDS
    assert consumer.events("consumer_stopped")[0]["messages"]["released"] == 1
    # It has gone back.
    desk.consumer()
    answered(desk, 1)


def test_a_redelivered_request_waits_for_the_store_too(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    url = f"file://{folder}"
    consumers = [desk.consumer(REPLY_URL=url, QUEUE_MAX_DELIVERIES="2") for _ in range(2)]
    folder.write_text("in the way")
    desk.side.send([Sent(REQUEST, {"id": "1"})])

    def holders() -> list[Consumer]:
        return [one for one in consumers if one.metric("ml_consumer_in_flight") == 1]

    until("one holds it", holders)
    (first,) = holders()
    (other,) = [one for one in consumers if one is not first]
    first.process.kill()
    # Longer than it takes to deliver it more often than is allowed.
    until("it waits", lambda: other.metric("ml_consumer_oldest_seconds") > 10)
    folder.unlink()
    until("it is settled", lambda: desk.side.waiting() == 0)
    assert json.loads((folder / "1.json").read_text())["status"] == 200
    assert desk.side.dead() == []
    assert other.metric("ml_consumer_redelivered_total") == 1
