"""NATS JetStream: requests in a stream with a durable consumer, answers in one message per subject.

An answer is published with `Nats-Expected-Last-Subject-Sequence: 0`, which the server refuses if
its subject has one: the store holds each key once, for as long as it keeps answers.
https://docs.nats.io/nats-concepts/jetstream
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nats import errors
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from app.consume.brokers.nats_connection import ANSWER_SECONDS, Connection
from app.consume.messages import Message
from app.consume.queue import Depth, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.aio.client import Client
    from nats.js.client import JetStreamContext

    from app.consume.messages import Asked
    from app.consume.settings import QueueSettings

# The server's code for a subject that has a message already.
WRONG_LAST_SEQUENCE = 10071
MAX_ACK_PENDING = 20_000
# Of each header beside name and text, and more than the first line of all.
HEADER_BYTES = 16


class NatsReplies:
    """One message for each subject `<name>.<key>`."""

    def __init__(self, connection: Connection, settings: QueueSettings) -> None:
        self._connection = connection
        self._name = settings.replies
        self._seconds = settings.reply_hours * 3600

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        await self._connection.open()
        await self._connection.ensure(
            api.StreamConfig(
                name=self._name,
                subjects=[f"{self._name}.>"],
                max_msgs_per_subject=1,
                max_age=self._seconds,
                allow_direct=True,
            )
        )

    def _subject(self, key: str) -> str:
        return f"{self._name}.{key.replace('/', '.')}"

    async def has(self, key: str) -> bool:
        """Raises UnavailableError."""
        async with self._connection.asking("answers"):
            try:
                await self._connection.js.get_last_msg(self._name, self._subject(key))
            except NotFoundError:
                return False
        return True

    async def put(self, key: str, answer: bytes) -> bool:
        """Raises UnavailableError, TooLargeError."""
        if len(answer) > self._connection.client.max_payload - 1024:
            raise TooLargeError(f"{len(answer)} bytes")
        async with self._connection.asking("answers"):
            try:
                await self._connection.js.publish(
                    self._subject(key),
                    answer,
                    stream=self._name,
                    headers={api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0"},
                )
            except APIError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
                return False
        return True

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()


class NatsQueue:
    """A stream and its durable consumer."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._connection = Connection(settings.url, settings)
        self.replies = NatsReplies(self._connection, settings)
        self.ack_seconds = float(settings.ack_seconds)
        self._pull: JetStreamContext.PullSubscription | None = None
        self._bound_to: Client | None = None

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        settings, connection = self._settings, self._connection
        await connection.open()
        retention = api.RetentionPolicy.WORK_QUEUE
        await connection.ensure(
            api.StreamConfig(name=settings.name, subjects=[settings.name], retention=retention)
        )
        limits = api.RetentionPolicy.LIMITS
        await connection.ensure(
            api.StreamConfig(name=settings.dead, subjects=[settings.dead], retention=limits)
        )
        async with connection.asking("consumer"):
            try:
                info = await connection.js.consumer_info(settings.name, settings.group)
            except NotFoundError:
                info = await connection.js.add_consumer(
                    settings.name,
                    api.ConsumerConfig(
                        durable_name=settings.group,
                        ack_policy=api.AckPolicy.EXPLICIT,
                        ack_wait=self.ack_seconds,
                        max_deliver=-1,
                        max_ack_pending=MAX_ACK_PENDING,
                    ),
                )
            self.ack_seconds = info.config.ack_wait or self.ack_seconds
            self._pull = await connection.js.pull_subscribe_bind(
                settings.group, stream=settings.name
            )
            self._bound_to = connection.client

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """Raises UnavailableError."""
        if self._pull is None or self._bound_to is not self._connection.client:
            await self.open()
        pull = self._pull
        if pull is None:
            raise UnavailableError(f"{self._settings.name} is not open")
        async with self._connection.asking("fetch"):
            try:
                found = await pull.fetch(limit, timeout=seconds)
            except TimeoutError:
                # The library's own or asyncio's, by how far it was.
                found = []
        return [_message(one) for one in found]

    async def ack(self, message: Message) -> None:
        """Raises UnavailableError."""
        async with self._connection.asking("acknowledge"):
            await message.handle.ack_sync(timeout=ANSWER_SECONDS)

    async def later(self, message: Message, seconds: float) -> None:
        """Raises UnavailableError."""
        async with self._connection.asking("retry"):
            await message.handle.nak(delay=seconds)
            await self._connection.client.flush()

    async def dead(self, message: Message, asked: Asked, problem: bytes) -> None:
        """Raises UnavailableError."""
        headers = {
            name: text for name, text in message.headers.items() if not name.startswith("nats-")
        }
        named = {api.Header.MSG_ID.value: f"{asked.key}/{message.position}"}
        more = {**headers, **named, "problem": problem.decode()}
        room = self._connection.client.max_payload - len(message.body)
        if sum(len(name) + len(text) + HEADER_BYTES for name, text in more.items()) < room:
            headers = more
        # Else it is as large as a message may be; the problem is with the answer.
        async with self._connection.asking("dead letter"):
            await self._connection.js.publish(
                self._settings.dead, message.body, headers=headers or None
            )

    async def extend(self, messages: Sequence[Message]) -> None:
        """Raises UnavailableError."""
        async with self._connection.asking("extend"):
            for message in messages:
                with suppress(errors.MsgAlreadyAckdError):
                    await message.handle.in_progress()

    async def depth(self) -> Depth:
        """Raises UnavailableError."""
        settings, js = self._settings, self._connection.js
        async with self._connection.asking("depth"):
            try:
                info = await js.consumer_info(settings.name, settings.group)
            except NotFoundError:
                # Somebody removed stream or consumer: to a fetch it looks like an empty queue.
                self._pull = None
                raise
            waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
            if not waiting:
                return Depth(0, 0.0)
            settled = info.ack_floor.stream_seq if info.ack_floor else 0
            try:
                first = await js.get_msg(settings.name, seq=settled + 1, subject=">", next=True)
            except NotFoundError:
                return Depth(0, 0.0)
        oldest = None if first.time is None else max(0.0, time.time() - first.time.timestamp())
        return Depth(waiting, oldest)

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()


def _message(found: Any) -> Message:
    about = found.metadata
    headers = {name.lower(): text for name, text in (found.headers or {}).items()}
    return Message(
        body=found.data,
        headers=headers,
        # With the time: a stream that is made anew begins at 1 again.
        position=f"{about.sequence.stream}-{int(about.timestamp.timestamp() * 1_000_000)}",
        deliveries=about.num_delivered,
        sent=about.timestamp.timestamp(),
        handle=found,
        is_encoded=True,
    )
