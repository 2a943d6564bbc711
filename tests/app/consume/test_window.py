"""How many requests a consumer asks for at a time, by a queue that goes away when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

from app.consume.consumer import Consumer
from app.consume.messages import Asked, Message
from app.consume.queue import Depth, UnavailableError
from app.consume.settings import QueueSettings
from app.consume.tally import ANSWERED, Tally
from app.responses import Reply, json_reply


class Work:
    name, version, grace_seconds, room = "any", "1", 1.0, 1000

    async def answer(self, asked: Asked) -> tuple[Reply, str]:
        del asked
        return json_reply({}), ANSWERED


class Queue:
    """Queue and store of answers; `script` says what each fetch finds, None: it is away."""

    ack_seconds = 30.0

    def __init__(self, script: list[int | None]) -> None:
        self.limits: list[int] = []
        self._script = iter(script)
        self.stop: Any = None

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        del seconds
        self.limits.append(limit)
        # What was fetched before is settled meanwhile.
        await asyncio.sleep(0.01)
        count = next(self._script, 0)
        if count is None:
            raise UnavailableError("away")
        if not count:
            self.stop()
        names = range(min(count, limit))
        return [Message(b"{}", {"id": f"{len(self.limits)}-{n}"}, "", 1, None, n) for n in names]

    async def has(self, key: str) -> bool:
        raise AssertionError(key)

    async def put(self, key: str, answer: bytes) -> bool:
        return bool(key and answer)

    async def depth(self) -> Depth:
        return Depth(0, None)

    async def done(self, *_: object) -> None:
        """Whatever else it is told."""

    open = close = ack = later = dead = extend = done


def test_a_broker_that_was_away_is_not_asked_for_more() -> None:
    queue: Any = Queue([1, 2, None, None, 4])
    consumer = Consumer(Work(), QueueSettings().named("any"), queue, queue, Tally())
    queue.stop = consumer.stop
    asyncio.run(consumer.run())
    # What is held counts: one, two and four in all, and no more after the outage.
    assert queue.limits[:5] == [1, 1, 3, 4, 4]
