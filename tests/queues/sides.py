"""The other side of a queue: who asks and who reads the answers, by each broker's own client.

Shares no code with the consumer: names of streams, keys and subjects are written out as users do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

import nats
import redis
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from nats.js import api
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from tests.queues.sent import Sent
from tests.queues.sides_of_kafka import KafkaSide
from tests.queues.sides_of_rabbitmq import RabbitSide

T = TypeVar("T")
BATCH = 500


class Side(Protocol):
    """Clients of one broker."""

    # Whether the broker can say that an id has an answer.
    has_keys: bool

    def send(self, messages: Sequence[Sent]) -> None:
        """Into the queue; they are safe there once this returns."""

    def event(self, event: BaseCloudEvent) -> Sent:
        """A CloudEvent in binary mode, by the SDK's binding for the broker."""

    def answers(self) -> dict[str, bytes]:
        """Every answer by its key, as a client reads it: `id` or `source/id`."""

    def dead(self) -> list[Sent]:
        """The dead letters, oldest first."""

    def waiting(self) -> int:
        """Messages that are not settled."""


class RedisSide:
    """Redis, by redis-py's client that blocks."""

    has_keys = True

    def __init__(self, url: str, queue: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._queue = queue

    def send(self, messages: Sequence[Sent]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for message in messages:
            fields: dict[Any, Any] = {**message.headers, "body": message.body}
            pipeline.xadd(self._queue, fields)
        pipeline.execute()

    def event(self, event: BaseCloudEvent) -> Sent:
        # There is no binding for Redis; Kafka's has texts as they are as well.
        message = kafka.to_binary(event, JSONFormat())
        headers = {name: text.decode() for name, text in message.headers.items()}
        return Sent(message.value or b"", headers)

    def answers(self) -> dict[str, bytes]:
        prefix = f"{self._queue}-replies:"
        keys = list(self._client.scan_iter(f"{prefix}*", count=1000))
        values: Any = self._client.mget(keys) if keys else []
        return {
            unquote(key.decode().removeprefix(prefix)): value
            for key, value in zip(keys, values, strict=True)
        }

    def dead(self) -> list[Sent]:
        entries: Any = self._client.xrange(f"{self._queue}-dead")
        found = []
        for _, fields in entries:
            body = fields.pop(b"body")
            headers = {name.decode(): text.decode() for name, text in fields.items()}
            found.append(Sent(body, headers))
        return found

    def waiting(self) -> int:
        length: Any = self._client.xlen(self._queue)
        return int(length)


class NatsSide:
    """NATS, by a connection for each call."""

    has_keys = True

    def __init__(self, url: str, queue: str) -> None:
        self._url, self._queue = url, queue

    def send(self, messages: Sequence[Sent]) -> None:
        async def send(js: JetStreamContext) -> None:
            try:
                await js.stream_info(self._queue)
            except NotFoundError:
                # Nobody has started a consumer, which would create it.
                await js.add_stream(name=self._queue, subjects=[self._queue], retention="workqueue")
            for start in range(0, len(messages), BATCH):
                part = messages[start : start + BATCH]
                await asyncio.gather(
                    *(
                        js.publish(self._queue, one.body, headers=one.headers or None)
                        for one in part
                    )
                )

        self._asked(send)

    def event(self, event: BaseCloudEvent) -> Sent:
        message = http.to_binary(event, JSONFormat())
        return Sent(message.body, message.headers)

    def answers(self) -> dict[str, bytes]:
        found = self._read(f"{self._queue}-replies")
        prefix = f"{self._queue}-replies."
        return {
            "/".join(map(unquote, message.subject.removeprefix(prefix).split("."))): message.data
            for message in found
        }

    def dead(self) -> list[Sent]:
        return [
            Sent(message.data, dict(message.headers or {}))
            for message in self._read(f"{self._queue}-dead")
        ]

    def waiting(self) -> int:
        async def ask(js: JetStreamContext) -> int:
            return (await js.stream_info(self._queue)).state.messages

        return self._asked(ask)

    def _read(self, stream: str) -> list[Any]:
        async def read(js: JetStreamContext) -> list[Any]:
            left = (await js.stream_info(stream)).state.messages
            found: list[Any] = []
            config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE)
            pull = await js.pull_subscribe("", stream=stream, config=config)
            while len(found) < left:
                found += await pull.fetch(min(BATCH, left - len(found)), timeout=10)
            return found

        return self._asked(read)

    def _asked(self, ask: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        async def connected() -> T:
            client = await nats.connect(self._url)
            try:
                return await ask(client.jetstream(timeout=30))
            finally:
                await client.close()

        return asyncio.run(connected())


SIDES: dict[str, Callable[[str, str], Side]] = {
    "kafka": KafkaSide,
    "nats": NatsSide,
    "rabbitmq": RabbitSide,
    "redis": RedisSide,
}
