"""A connection to RabbitMQ, its queues, and the one with the answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aio_pika
from aio_pika import DeliveryMode, exceptions
from aiormq import exceptions as causes
from yarl import URL

from app.consume import tls
from app.consume.queue import QueueRefusedError, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aio_pika.abc import AbstractChannel, AbstractConnection

    from app.consume.settings import QueueSettings

ANSWER_SECONDS = 5.0
REFUSED = "ACCESS_REFUSED"
REFUSALS = (
    causes.AuthenticationError,
    causes.ProbableAuthenticationError,
    causes.ConnectionNotAllowed,
    causes.ChannelAccessRefused,
)


@asynccontextmanager
async def asking(what: str) -> AsyncIterator[None]:
    """Errors of the library become ours."""
    try:
        yield
    except REFUSALS as error:
        if isinstance(error, causes.ProbableAuthenticationError) and REFUSED not in str(error):
            # It may as well have ended while we were introduced.
            raise UnavailableError(f"{what}: {error}") from error
        raise QueueRefusedError(
            f"RabbitMQ does not let us ask for {what}",
            expected="a user that it knows, with permissions for the vhost and the queues",
            found=str(error),
            fix="correct QUEUE_USER and QUEUE_PASSWORD, the vhost in QUEUE_URL or the permissions",
        ) from error
    except (exceptions.AMQPError, RuntimeError, OSError, TimeoutError) as error:
        tls.require_accepted("RabbitMQ", error)
        raise UnavailableError(f"{what}: {type(error).__name__}: {error}") from error
    except asyncio.CancelledError as error:
        # So the library ends whom a lost connection keeps waiting; nobody has cancelled us.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise UnavailableError(f"{what}: the connection was lost") from error


class Connection:
    """One connection, opened again by who needs it."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        url = URL(settings.url)
        if settings.user is not None and not url.user:
            url = url.with_user(settings.user).with_password(settings.password)
        self._url = url
        self._connection: AbstractConnection | None = None
        self._publishing: AbstractChannel | None = None
        self._lock, self._channels = asyncio.Lock(), asyncio.Lock()

    async def open(self) -> AbstractConnection:
        """Connect, unless we are."""
        async with self._lock:
            connection = self._connection
            if connection is not None and connection.connected.is_set():
                return connection
            settings = self._settings
            self._connection = await aio_pika.connect(
                self._url,
                timeout=ANSWER_SECONDS,
                ssl_context=tls.context(settings) if self._url.scheme == "amqps" else None,
                # The broker gives up a peer after two of them.
                heartbeat=max(1, settings.ack_seconds // 2),
                client_properties={"connection_name": settings.group},
            )
            return self._connection

    async def channel(self) -> AbstractChannel:
        """A new channel, whose messages are confirmed or returned."""
        connection = await self.open()
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize(timeout=ANSWER_SECONDS)
        return channel

    async def publishing(self) -> AbstractChannel:
        """The channel that all messages are sent by."""
        async with self._channels:
            if self._publishing is None or self._publishing.is_closed:
                self._publishing = await self.channel()
            return self._publishing

    async def ensure(self, name: str, **arguments: Any) -> None:
        """Declare a queue unless there is one, whatever it is like."""
        try:
            channel = await self.channel()
            await channel.declare_queue(name, passive=True, timeout=ANSWER_SECONDS)
        except causes.ChannelNotFoundEntity:
            channel = await self.channel()
            given = {"x-queue-type": "quorum", **arguments}
            await channel.declare_queue(name, durable=True, arguments=given, timeout=ANSWER_SECONDS)
        await channel.close()

    async def publish(self, name: str, message: aio_pika.Message) -> None:
        """Into a queue; returns when it is on the disks of most of its nodes."""
        channel = await self.publishing()
        await channel.default_exchange.publish(message, name, timeout=ANSWER_SECONDS)

    async def close(self) -> None:
        """Disconnect; what is held is delivered again."""
        if self._connection is not None:
            with suppress(exceptions.AMQPError, RuntimeError, OSError, TimeoutError):
                await self._connection.close()


class AmqpReplies:
    """A queue that somebody reads, in which every answer is for a while."""

    def __init__(self, connection: Connection, settings: QueueSettings) -> None:
        self._connection = connection
        self._name = settings.replies
        self._ms = int(settings.reply_hours * 3_600_000)

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        async with asking("answers"):
            await self._connection.ensure(self._name, **{"x-message-ttl": self._ms})

    async def has(self, key: str) -> bool:  # noqa: ARG002
        """Nobody knows: a queue has no keys."""
        return False

    async def put(self, key: str, answer: bytes) -> bool:
        """Raises UnavailableError, TooLargeError."""
        message = aio_pika.Message(
            answer,
            message_id=key,
            content_type="application/cloudevents+json",
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        async with asking("answers"):
            try:
                await self._connection.publish(self._name, message)
            except causes.ChannelPreconditionFailed as error:
                raise TooLargeError(f"{len(answer)} bytes: {error}") from error
        return True

    async def close(self) -> None:
        """The connection is the queue's."""
