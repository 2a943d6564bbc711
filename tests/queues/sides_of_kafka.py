"""The other side of a topic of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat

from tests.queues.sent import Sent

T = TypeVar("T")
PARTITIONS = 3


class KafkaSide:
    """Kafka, by clients that are started for each call."""

    has_keys = False

    def __init__(self, url: str, queue: str) -> None:
        self._servers, self._queue = url.removeprefix("kafka://"), queue

    def send(self, messages: Sequence[Sent]) -> None:
        async def send(admin: Any) -> None:
            if self._queue not in await admin.list_topics():
                await admin.create_topics([NewTopic(self._queue, PARTITIONS, 1)])
            async with AIOKafkaProducer(
                bootstrap_servers=self._servers, acks="all", linger_ms=5, max_request_size=2**21
            ) as producer:
                await asyncio.gather(
                    *[
                        await producer.send(
                            self._queue,
                            one.body,
                            key=one.headers.get("id", "").encode() or None,
                            headers=[(name, text.encode()) for name, text in one.headers.items()],
                        )
                        for one in messages
                    ]
                )

        self._asked(send)

    def event(self, event: BaseCloudEvent) -> Sent:
        message = kafka.to_binary(event, JSONFormat())
        headers = {name: text.decode() for name, text in message.headers.items()}
        return Sent(message.value or b"", headers)

    def answers(self) -> dict[str, bytes]:
        found = self._read(f"{self._queue}-replies")
        return {unquote(record.key.decode()): record.value for record in found}

    def dead(self) -> list[Sent]:
        return [
            Sent(record.value, {name: text.decode() for name, text in record.headers})
            for record in self._read(f"{self._queue}-dead")
        ]

    def waiting(self) -> int:
        """What the group of the consumers has not committed."""

        async def ask(admin: Any) -> int:
            committed = await admin.list_consumer_group_offsets("tests")
            ends = await self._ends(self._queue)
            return sum(
                end - max(0, committed[key].offset if key in committed else 0)
                for key, end in ends.items()
            )

        return self._asked(ask)

    async def _ends(self, topic: str) -> dict[Any, int]:
        async with AIOKafkaConsumer(topic, bootstrap_servers=self._servers) as consumer:
            keys = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)]
            ends: dict[Any, int] = await consumer.end_offsets(keys)
        return ends

    def _read(self, topic: str) -> list[Any]:
        async def read(_: Any) -> list[Any]:
            ends = await self._ends(topic)
            found: list[Any] = []
            async with AIOKafkaConsumer(bootstrap_servers=self._servers) as consumer:
                consumer.assign(list(ends))
                await consumer.seek_to_beginning(*ends)
                while any([await consumer.position(key) < end for key, end in ends.items()]):
                    for records in (await consumer.getmany(timeout_ms=1000)).values():
                        found += records
            return sorted(found, key=lambda record: record.timestamp)

        return self._asked(read)

    def _asked(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        async def connected() -> T:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
            await admin.start()
            try:
                return await ask(admin)
            finally:
                await admin.close()

        return asyncio.run(connected())
