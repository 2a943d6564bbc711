"""The other side of a queue of RabbitMQ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.formats.json import JSONFormat

from tests.queues import erlang
from tests.queues.sent import Sent

T = TypeVar("T")
BATCH = 500


class RabbitSide:
    """RabbitMQ, by a connection for each call, and its node for what clients are not told."""

    has_keys = False

    def __init__(self, url: str, queue: str) -> None:
        self._url, self._queue = url, queue

    def send(self, messages: Sequence[Sent]) -> None:
        async def send(channel: AbstractChannel) -> None:
            for start in range(0, len(messages), BATCH):
                await asyncio.gather(
                    *(
                        channel.default_exchange.publish(as_message(one), self._queue)
                        for one in messages[start : start + BATCH]
                    )
                )

        try:
            self._asked(lambda channel: channel.declare_queue(self._queue, passive=True))
        except ChannelNotFoundEntity:
            # Nobody has started a consumer, which would create it.
            kind: dict[str, Any] = {"x-queue-type": "quorum"}
            self._asked(
                lambda channel: channel.declare_queue(self._queue, durable=True, arguments=kind)
            )
            erlang.node_of(self._url).sync()
        self._asked(send)

    def event(self, event: BaseCloudEvent) -> Sent:
        message = rabbitmq.to_binary(event, JSONFormat())
        return Sent(message.body, {**message.headers, "content-type": message.content_type or ""})

    def answers(self) -> dict[str, bytes]:
        found = self._read(f"{self._queue}-replies")
        return {unquote(message.message_id or ""): message.body for message in found}

    def dead(self) -> list[Sent]:
        return [
            Sent(message.body, {name: str(value) for name, value in message.headers.items()})
            for message in self._read(f"{self._queue}-dead")
        ]

    def waiting(self) -> int:
        return erlang.node_of(self._url).waiting(self._queue)

    def _read(self, name: str) -> list[AbstractIncomingMessage]:
        """All messages, which are left there."""

        async def read(channel: AbstractChannel) -> list[AbstractIncomingMessage]:
            queue = await channel.declare_queue(name, passive=True)
            count = queue.declaration_result.message_count or 0
            found: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            await queue.consume(found.put)
            return [await asyncio.wait_for(found.get(), 30) for _ in range(count)]

        return self._asked(read)

    def _asked(self, ask: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with await aio_pika.connect(self._url) as connection:
                return await ask(await connection.channel(on_return_raises=True))

        return asyncio.run(connected())


def as_message(sent: Sent) -> aio_pika.Message:
    """As a client sends it that lets the message survive a restart."""
    headers = dict(sent.headers)
    return aio_pika.Message(
        sent.body,
        content_type=headers.pop("content-type", None),
        headers=dict(headers),
        timestamp=int(time.time()),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
