"""Kafka: requests in a topic with a consumer group, answers in a compacted topic.

Only the first message that is not settled is committed: what came after it is delivered again to
who gets the partition. A retry waits in this process, and others go on meanwhile. A topic cannot be
asked for an id: an answer of a redelivered request can be there twice, under one key.
https://kafka.apache.org/documentation/#design_consumerposition
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from app.consume.brokers.kafka_cluster import ANSWER_SECONDS, Cluster, KafkaReplies, asking
from app.consume.brokers.leases import Leases
from app.consume.brokers.partitions import Partition, read_note
from app.consume.messages import Message
from app.consume.queue import Depth, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.consume.messages import Asked
    from app.consume.settings import QueueSettings

REBALANCE_MS = 30_000
# Heartbeats tell who is alive; the library would also leave the group when nothing is read.
MAX_POLL_MS = 24 * 3600 * 1000
# How far a partition is read beyond a message that is not settled.
MAX_SPAN = 10_000
READ_MS = 1000
LOGGER = logging.getLogger("consume")


class KafkaQueue(ConsumerRebalanceListener):  # type: ignore[misc] # has no types
    """A topic and its consumer group."""

    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self.replies = KafkaReplies(self._cluster, settings)
        self.ack_seconds = float(settings.ack_seconds)
        self._consumer: Any = None
        self._partitions: dict[Any, Partition] = {}
        # What is this consumer's, until somebody comes or goes: another set each time.
        self._assigned: set[Any] = set()
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[list[tuple[Partition, list[Any]]]] | None = None
        self._commits = asyncio.Lock()
        # What is to be handed out, by when: (monotonic seconds, number, message).
        self._ready: list[tuple[float, int, Message]] = []
        self._leases = Leases(self.ack_seconds)
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        if self._consumer is not None:
            return
        settings = self._settings
        async with asking(f"the topic {settings.name}"):
            await self._cluster.ensure(settings.name)
            await self._cluster.ensure(settings.dead, **{"retention.ms": "-1"})
            consumer = AIOKafkaConsumer(
                group_id=settings.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                # What a transaction has taken back is no request.
                isolation_level="read_committed",
                session_timeout_ms=int(self.ack_seconds * 1000),
                heartbeat_interval_ms=int(self.ack_seconds * 1000 / 3),
                rebalance_timeout_ms=min(REBALANCE_MS, int(self.ack_seconds * 1000)),
                max_poll_interval_ms=MAX_POLL_MS,
                **self._cluster.options,
            )
            consumer.subscribe([settings.name], listener=self)
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        """Leave all of them to others, with what is settled."""
        with suppress(UnavailableError):
            await self._commit()
        for partition in self._partitions.values():
            partition.is_lost = True
        self._assigned, self._partitions, self._ready = set(), {}, []
        self._leases.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """They are read from when `fetch` has adopted them."""
        self._assigned = set(assigned)
        self._changed.set()

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """Raises UnavailableError."""
        if self._consumer is None:
            raise UnavailableError(f"{self._settings.name} is not open")
        for message in self._leases.overdue():
            self._push(message, 0.0)
        found = self._due(limit)
        if not found:
            async with asking("messages"):
                await self._read(limit, seconds)
            found = self._due(limit)
        for message in found:
            message.deliveries += 1
            message.handle[0].is_changed = True
        try:
            # Noted before it is handed out: it may be what ends this process.
            await self._commit()
        except UnavailableError:
            for message in found:
                message.deliveries -= 1
                self._push(message, 0.0)
            raise
        found = [message for message in found if not message.handle[0].is_lost]
        self._leases.touch(found)
        return found

    def _push(self, message: Message, seconds: float) -> None:
        if not message.handle[0].is_lost:
            due = time.monotonic() + seconds if seconds else 0.0
            heapq.heappush(self._ready, (due, next(self._numbers), message))

    def _due(self, limit: int) -> list[Message]:
        found: list[Message] = []
        while self._ready and len(found) < limit and self._ready[0][0] <= time.monotonic():
            found.append(heapq.heappop(self._ready)[2])
        return found

    async def _read(self, limit: int, seconds: float) -> None:
        """Until a message is there, a retry is due, or the time is over."""
        if self._ready:
            seconds = min(seconds, max(0.0, self._ready[0][0] - time.monotonic()))
        await self._adopt()
        if self._reading is None:
            if not self._partitions:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._changed.wait()
                return
            self._reading = asyncio.create_task(self._records(dict(self._partitions), limit))
        # Not cancelled when the time is over, which may be when it has just read something.
        await asyncio.wait({self._reading}, timeout=seconds)
        if not self._reading.done():
            return
        reading, self._reading = self._reading, None
        for partition, records in reading.result():
            # Of one that is lost they are read again, by whoever has it.
            for record in () if partition.is_lost else records:
                message = _message(record, partition)
                partition.add(record.offset, message)
                self._push(message, 0.0)

    async def _adopt(self) -> None:
        """Read what was assigned from the first message on that is not settled.

        The library may have read further for nobody, while partitions changed hands.
        """
        assigned, consumer = self._assigned, self._consumer
        new = [key for key in assigned if key not in self._partitions]
        if not new:
            return
        async with asyncio.timeout(ANSWER_SECONDS):
            committed = await self._cluster.committed(self._settings.group, new)
            begins = await consumer.beginning_offsets(new)
        if assigned is not self._assigned:
            return
        for key in new:
            offset, note = committed.get(key, (-1, ""))
            first = max(offset, begins[key])
            consumer.seek(key, first)
            self._partitions[key] = Partition(key, first, read_note(note))

    async def _records(
        self, partitions: dict[Any, Partition], limit: int
    ) -> list[tuple[Partition, list[Any]]]:
        for key, partition in partitions.items():
            with suppress(RuntimeError):
                # It may have gone to another consumer at this moment.
                if partition.span > MAX_SPAN:
                    self._consumer.pause(key)
                else:
                    self._consumer.resume(key)
        found = await self._consumer.getmany(*partitions, timeout_ms=READ_MS, max_records=limit)
        return [(partitions[key], records) for key, records in found.items()]

    async def _commit(self) -> None:
        """What has changed; those who ask meanwhile share the next one. Raises UnavailableError."""
        async with self._commits, asking("commit"):
            changed = [one for one in self._partitions.values() if one.is_changed]
            if not changed:
                return
            for partition in changed:
                partition.is_changed = False
            offsets = {one.key: (one.position, one.note()) for one in changed}
            try:
                # The library tries again for ever.
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._consumer.commit(offsets)
            except BaseException:
                for partition in changed:
                    partition.is_changed = True
                raise

    async def ack(self, message: Message) -> None:
        """Raises UnavailableError.

        For good if all before it are; they are delivered together if they are not.
        """
        partition, record = message.handle
        self._leases.end(message)
        if partition.is_lost:
            raise UnavailableError(f"partition {record.partition} has another consumer")
        if partition.settle(record.offset):
            await self._commit()

    async def later(self, message: Message, seconds: float) -> None:
        """Raises UnavailableError."""
        self._leases.end(message)
        self._push(message, seconds)

    async def dead(self, message: Message, asked: Asked, problem: bytes) -> None:  # noqa: ARG002
        """Raises UnavailableError."""
        _, record = message.handle
        dead, headers = self._settings.dead, list(record.headers)
        more = [*headers, ("problem", problem)]
        async with asking("dead letter"):
            try:
                await self._cluster.send(dead, record.value, record.key, more)
            except TooLargeError:
                # It is as large as a message may be; the problem is with the answer.
                await self._cluster.send(dead, record.value, record.key, headers)

    async def extend(self, messages: Sequence[Message]) -> None:
        """For this process; heartbeats of the group are the signs for others."""
        self._leases.touch(messages)

    async def depth(self) -> Depth:
        """Raises UnavailableError."""
        consumer, name = self._consumer, self._settings.name
        if consumer is None:
            raise UnavailableError(f"{name} is not open")
        async with asking("depth"), asyncio.timeout(ANSWER_SECONDS):
            keys = [TopicPartition(name, one) for one in consumer.partitions_for_topic(name) or ()]
            ends = await consumer.end_offsets(keys)
            begins = await consumer.beginning_offsets(keys)
            committed = await self._cluster.committed(self._settings.group, keys)
        waiting = 0
        for key in keys:
            offset, _ = committed.get(key, (-1, ""))
            waiting += ends[key] - max(offset, begins[key])
        if not waiting:
            return Depth(0, 0.0)
        held = [one for part in self._partitions.values() for one in part.unsettled.values()]
        sent = [one.sent for one in held if one.sent is not None]
        return Depth(waiting, max(0.0, time.time() - min(sent)) if sent else None)

    async def close(self) -> None:
        """Commit what is settled, leave the group and disconnect."""
        with suppress(UnavailableError):
            await self._commit()
        if self._reading is not None:
            self._reading.cancel()
        if self._consumer is not None:
            with suppress(RuntimeError, OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._consumer.stop()
        await self._cluster.close()


def _message(record: Any, partition: Partition) -> Message:
    return Message(
        body=record.value or b"",
        headers={
            name.lower(): (value or b"").decode("utf-8", "replace")
            for name, value in record.headers
        },
        position=f"{record.partition}-{record.offset}",
        deliveries=partition.deliveries(record.offset),
        sent=record.timestamp / 1000 if record.timestamp > 0 else None,
        handle=(partition, record),
    )
