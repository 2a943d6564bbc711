"""RabbitMQ (AMQP 0-9-1): requests in a quorum queue, answers in another one.

A pod that gives no sign of life is known by the connection's heartbeats. A retry waits in a queue
whose messages expire back into the queue of the requests: one for each delay, and no plugin. A
queue cannot be asked for an id: an answer of a redelivered request can be there twice.
https://www.rabbitmq.com/docs/quorum-queues
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any

import aio_pika
from aio_pika import DeliveryMode

from app.consume.brokers.amqp_connection import ANSWER_SECONDS, AmqpReplies, Connection, asking
from app.consume.brokers.leases import Leases
from app.consume.messages import Message
from app.consume.queue import Depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

    from app.consume.messages import Asked
    from app.consume.settings import QueueSettings

# RabbitMQ 4 drops what was delivered more often than 20 times; the consumer counts by itself.
DELIVERY_LIMIT = 10_000
# A queue of retries is removed when none was asked for, for so long.
UNUSED_MS = 3_600_000
# Header with the deliveries before a retry, and headers of the broker's own.
DELIVERIES = "x-deliveries"
COUNT = "x-delivery-count"
OWN = (DELIVERIES, COUNT, "x-death", "x-first-death", "x-last-death")


class AmqpQueue:
    """A queue, whose messages are delivered up to the number that is held."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._connection = Connection(settings)
        self.replies = AmqpReplies(self._connection, settings)
        self.ack_seconds = float(settings.ack_seconds)
        self._leases = Leases(self.ack_seconds)
        self._channel: AbstractChannel | None = None
        self._tag = ""
        self._prefetch = 0
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        # Delivered by this channel, by consumer and number: those that arrived and those held.
        self._unsettled: dict[tuple[str | None, int | None], AbstractIncomingMessage] = {}

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        settings, connection = self._settings, self._connection
        async with asking(f"the queue {settings.name}"):
            await connection.ensure(settings.name, **{"x-delivery-limit": DELIVERY_LIMIT})
            await connection.ensure(settings.dead)

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """Raises UnavailableError."""
        async with asking("messages"):
            await self._subscribe(limit)
            for message in self._leases.overdue():
                await self._give_back(message)
            try:
                async with asyncio.timeout(seconds):
                    found = [await self._arrived.get()]
            except TimeoutError:
                return []
            while len(found) < limit and not self._arrived.empty():
                found.append(self._arrived.get_nowait())
        messages = [_message(one) for one in found]
        self._leases.touch(messages)
        return messages

    async def _subscribe(self, limit: int) -> None:
        """See to it that about so many more arrive.

        A channel's prefetch is that of consumers to come, so that another one takes its place.
        """
        channel = self._channel
        if channel is None or channel.is_closed:
            await self.open()
            self._channel = channel = await self._connection.channel()
            self._tag, self._prefetch = "", 0
            self._arrived, self._unsettled = asyncio.Queue(), {}
            self._leases.clear()
        own = sum(tag == self._tag for tag, _ in self._unsettled)
        room = self._arrived.qsize() + self._prefetch - own
        underlay: Any = await channel.get_underlay_channel()
        # The broker may have ended it, with the queue.
        is_there = self._tag in underlay.consumers
        if is_there and limit <= 2 * room and (room <= limit or (limit > 1 and room <= 2 * limit)):
            return
        queue = await channel.get_queue(self._settings.name, ensure=False)
        if is_there:
            await queue.cancel(self._tag, timeout=ANSWER_SECONDS)
        held = len(self._unsettled) - self._arrived.qsize()
        self._prefetch = limit + held if room < limit else limit
        await channel.set_qos(prefetch_count=self._prefetch, timeout=ANSWER_SECONDS)
        self._tag = await queue.consume(self._arrive, timeout=ANSWER_SECONDS)

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        self._unsettled[message.consumer_tag, message.delivery_tag] = message
        self._arrived.put_nowait(message)

    def _settled(self, message: Message) -> None:
        handle = message.handle
        self._unsettled.pop((handle.consumer_tag, handle.delivery_tag), None)
        self._leases.end(message)

    async def _give_back(self, message: Message) -> None:
        await message.handle.nack(requeue=True)
        self._settled(message)

    async def ack(self, message: Message) -> None:
        """Raises UnavailableError. The broker does not confirm it."""
        async with asking("acknowledge"):
            await message.handle.ack()
        self._settled(message)

    async def later(self, message: Message, seconds: float) -> None:
        """Raises UnavailableError."""
        async with asking("retry"):
            if seconds <= 0:
                await self._give_back(message)
            else:
                ms = max(1, int(seconds * 1000))
                name = f"{self._settings.name}-later-{ms}"
                await self._declare_retries(name, ms)
                copy = _copy(message.handle, {DELIVERIES: message.deliveries})
                await self._connection.publish(name, copy)
                await message.handle.ack()
        self._settled(message)

    async def _declare_retries(self, name: str, ms: int) -> None:
        """Each time: that keeps it from being removed as unused."""
        arguments: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-message-ttl": ms,
            "x-expires": ms + UNUSED_MS,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self._settings.name,
            # Otherwise a message is lost if the broker ends while it moves.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        channel = await self._connection.publishing()
        await channel.declare_queue(name, durable=True, arguments=arguments, timeout=ANSWER_SECONDS)

    async def dead(self, message: Message, asked: Asked, problem: bytes) -> None:  # noqa: ARG002
        """Raises UnavailableError."""
        async with asking("dead letter"):
            copy = _copy(message.handle, {"problem": problem.decode()})
            await self._connection.publish(self._settings.dead, copy)

    async def extend(self, messages: Sequence[Message]) -> None:
        """For this process; heartbeats of the connection are the signs for others."""
        self._leases.touch(messages)

    async def depth(self) -> Depth:
        """Those that nobody holds, and those of this pod: others do not tell theirs.

        Raises UnavailableError.
        """
        async with asking("depth"):
            channel = await self._connection.publishing()
            queue = await channel.declare_queue(
                self._settings.name, passive=True, timeout=ANSWER_SECONDS
            )
        held = list(self._unsettled.values())
        waiting = (queue.declaration_result.message_count or 0) + len(held)
        if not waiting:
            return Depth(0, 0.0)
        sent = [one.timestamp.timestamp() for one in held if one.timestamp is not None]
        return Depth(waiting, max(0.0, time.time() - min(sent)) if sent else None)

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()


def _copy(found: AbstractIncomingMessage, more: dict[str, Any]) -> aio_pika.Message:
    """What somebody sent, with headers of ours instead of the broker's."""
    headers = {name: value for name, value in found.headers.items() if not name.startswith(OWN)}
    return aio_pika.Message(
        found.body,
        headers={**headers, **more},
        content_type=found.content_type,
        content_encoding=found.content_encoding,
        correlation_id=found.correlation_id,
        reply_to=found.reply_to,
        message_id=found.message_id,
        timestamp=found.timestamp,
        type=found.type,
        app_id=found.app_id,
        priority=found.priority,
        delivery_mode=DeliveryMode.PERSISTENT,
    )


def _message(found: AbstractIncomingMessage) -> Message:
    headers = {
        name.lower(): value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for name, value in found.headers.items()
        if not name.startswith(OWN)
    }
    for name, value in (("message-id", found.message_id), ("content-type", found.content_type)):
        if value:
            headers.setdefault(name, value)
    # A message has no place; one without an id is known by all that it consists of.
    known = repr((found.body, sorted(headers.items()), found.timestamp, found.correlation_id))
    # A classic queue says only that it was not the first time.
    again = found.headers.get(COUNT, int(found.redelivered or False))
    before = found.headers.get(DELIVERIES, 0)
    return Message(
        body=found.body,
        headers=headers,
        position=hashlib.sha256(known.encode()).hexdigest()[:32],
        deliveries=1 + sum(number for number in (again, before) if isinstance(number, int)),
        sent=found.timestamp.timestamp() if found.timestamp is not None else None,
        handle=found,
    )
