"""Redis Streams: requests in a stream with a consumer group, answers in keys that expire.

What another consumer holds and has not touched for `ack_seconds` is claimed. A retry is the same:
the message's idle time is set so that it can be claimed after the delay. An entry that is settled
is deleted, so that the stream's length is what waits: one group reads one stream.
https://redis.io/docs/latest/develop/data-types/streams/
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.asyncio import Redis

from app.consume import tls
from app.consume.messages import Message
from app.consume.queue import Depth, QueueRefusedError, UnavailableError
from app.redis_url import client_arguments, require_redis_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.consume.messages import Asked
    from app.consume.settings import QueueSettings

ANSWER_SECONDS = 5.0
# Field of an entry with the request; all others are headers.
BODY = "body"
# How often messages of others are looked for.
CLAIM_SECONDS = 1.0
# Consumers of pods that are gone, without messages, are removed after so long.
FORGOTTEN_MS = 24 * 3600 * 1000
# What it says of a stream or group that somebody removed meanwhile.
GONE = ("NOGROUP", "UNBLOCKED")
REFUSALS = ("NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE")


def connect(url: str, settings: QueueSettings) -> Redis:
    """A client; connects when it is asked."""
    given = client_arguments(url, settings.user, settings.password, tls.trust(settings))
    client: Redis = Redis.from_url(
        require_redis_url("QUEUE_URL or REPLY_URL", url),
        socket_connect_timeout=ANSWER_SECONDS,
        # A read that waits for messages is longer than this by what it waits.
        socket_timeout=ANSWER_SECONDS * 2,
        health_check_interval=30,
        **given,
    )
    return client


@asynccontextmanager
async def asking(what: str) -> AsyncIterator[None]:
    """Errors of the library become ours."""
    try:
        yield
    except exceptions.RedisError as error:
        if isinstance(error, exceptions.AuthenticationError) or str(error).startswith(REFUSALS):
            raise QueueRefusedError(
                f"Redis does not let us ask for {what}",
                expected="a user that may use its keys, and streams under the names of streams",
                found=str(error),
                fix="correct QUEUE_USER and QUEUE_PASSWORD, the user's permissions, or the names",
            ) from error
        raise _unavailable(what, error) from error
    except (OSError, TimeoutError) as error:
        raise _unavailable(what, error) from error


def _unavailable(what: str, error: Exception) -> UnavailableError:
    """Raises QueueRefusedError if a certificate is the reason."""
    tls.require_accepted("Redis", error)
    return UnavailableError(f"{what}: {type(error).__name__}: {error}")


class RedisReplies:
    """One key `<name>:<key>` for each answer."""

    def __init__(self, client: Redis, settings: QueueSettings) -> None:
        self._client = client
        self._name = settings.replies
        self._ms = int(settings.reply_hours * 3_600_000)

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        async with asking("answers"):
            await self._client.ping()

    async def has(self, key: str) -> bool:
        """Raises UnavailableError."""
        async with asking("answers"):
            return bool(await self._client.exists(f"{self._name}:{key}"))

    async def put(self, key: str, answer: bytes) -> bool:
        """Raises UnavailableError."""
        async with asking("answers"):
            kept = await self._client.set(f"{self._name}:{key}", answer, nx=True, px=self._ms)
        return bool(kept)

    async def close(self) -> None:
        """Disconnect."""
        with suppress(exceptions.RedisError, OSError):
            await self._client.aclose()


class RedisQueue:
    """A stream and its consumer group."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._client = connect(settings.url, settings)
        self.replies = RedisReplies(self._client, settings)
        self.ack_seconds = float(settings.ack_seconds)
        self._ack_ms = settings.ack_seconds * 1000
        self._me = f"{socket.gethostname()}-{os.getpid()}"
        self._claimed = 0.0

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        name, group = self._settings.name, self._settings.group
        async with asking(f"the stream {name}"):
            try:
                await self._client.xgroup_create(name, group, id="0", mkstream=True)
            except exceptions.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            consumers: Any = await self._client.xinfo_consumers(name, group)
            for consumer in consumers:
                if not consumer["pending"] and consumer["idle"] > FORGOTTEN_MS:
                    await self._client.xgroup_delconsumer(name, group, consumer["name"])

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """Raises UnavailableError."""
        name, group = self._settings.name, self._settings.group
        try:
            async with asking("messages"):
                # One at a time: whichever of them ended a pod is to do so alone.
                found = await self._claim(1)
                if found:
                    return found
                read: Any = await self._client.xreadgroup(
                    group, self._me, {name: ">"}, count=limit, block=max(1, int(seconds * 1000))
                )
        except UnavailableError as error:
            if any(word in str(error) for word in GONE):
                await self.open()
            raise
        return [_message(entry, fields, 1) for _, entries in read for entry, fields in entries]

    async def _claim(self, limit: int) -> list[Message]:
        """Messages that nobody has touched for long enough."""
        now = time.monotonic()
        if now - self._claimed < CLAIM_SECONDS:
            return []
        name, group = self._settings.name, self._settings.group
        pending: Any = await self._client.xpending_range(
            name, group, "-", "+", limit, idle=self._ack_ms
        )
        if len(pending) < limit:
            self._claimed = now
        if not pending:
            return []
        delivered = {one["message_id"]: one["times_delivered"] for one in pending}
        claimed: Any = await self._client.xclaim(
            name, group, self._me, self._ack_ms, list(delivered)
        )
        return [
            _message(entry, fields, delivered[entry] + 1)
            for entry, fields in claimed
            if fields is not None
        ]

    async def ack(self, message: Message) -> None:
        """Raises UnavailableError."""
        name = self._settings.name
        async with asking("acknowledge"):
            pipeline = self._client.pipeline(transaction=True)
            pipeline.xack(name, self._settings.group, message.handle)
            pipeline.xdel(name, message.handle)
            await pipeline.execute()

    async def later(self, message: Message, seconds: float) -> None:
        """Raises UnavailableError."""
        idle = max(0, self._ack_ms - int(seconds * 1000))
        async with asking("retry"):
            await self._touch([message], idle)

    async def extend(self, messages: Sequence[Message]) -> None:
        """Raises UnavailableError."""
        async with asking("extend"):
            await self._touch(messages, 0)

    async def _touch(self, messages: Sequence[Message], idle: int) -> None:
        await self._client.xclaim(
            self._settings.name,
            self._settings.group,
            self._me,
            0,
            [message.handle for message in messages],
            idle=idle,
            justid=True,
        )

    async def dead(self, message: Message, asked: Asked, problem: bytes) -> None:  # noqa: ARG002
        """Raises UnavailableError."""
        async with asking("dead letter"):
            fields: dict[Any, Any] = {**message.headers, "problem": problem, BODY: message.body}
            await self._client.xadd(self._settings.dead, fields)

    async def depth(self) -> Depth:
        """Raises UnavailableError."""
        name = self._settings.name
        async with asking("depth"):
            waiting = await self._client.xlen(name)
            first: Any = await self._client.xrange(name, count=1)
        if not first:
            return Depth(waiting, 0.0)
        return Depth(waiting, max(0.0, time.time() - _sent(first[0][0])))

    async def close(self) -> None:
        """Disconnect."""
        await self.replies.close()


def _sent(entry: bytes) -> float:
    """When an entry was added, which its id begins with."""
    return int(entry.partition(b"-")[0]) / 1000


def _message(entry: bytes, fields: dict[bytes, bytes], deliveries: int) -> Message:
    headers = {
        name.decode("utf-8", "replace").lower(): text.decode("utf-8", "replace")
        for name, text in fields.items()
        if name != BODY.encode()
    }
    return Message(
        body=fields.get(BODY.encode(), b""),
        headers=headers,
        position=entry.decode(),
        deliveries=deliveries,
        sent=_sent(entry),
        handle=entry,
    )
