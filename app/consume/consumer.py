"""The loop of a consumer: fetch, answer, store, acknowledge; nothing is lost when it ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from app.consume import answers, tally
from app.consume.messages import read
from app.consume.patience import (
    FIRST_PAUSE_SECONDS,
    LOGGER,
    MAX_PAUSE_SECONDS,
    QUEUE,
    REPLIES,
    Patience,
)
from app.consume.problems import given_up, short_problem, too_large
from app.consume.queue import TooLargeError, UnavailableError
from app.errors import AppError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.consume.messages import Asked, Message
    from app.consume.queue import Queue, Replies
    from app.consume.settings import QueueSettings
    from app.consume.tally import Tally
    from app.responses import Reply

# How long a fetch waits for the first message; the end of the consumer waits for it, too.
FETCH_SECONDS = 1.0
DEPTH_SECONDS = 5.0


class Work(Protocol):
    """What answers requests."""

    # Its name and version in the answers.
    name: str
    version: str
    # How long it may take to finish what it holds when the consumer is to end.
    grace_seconds: float

    @property
    def room(self) -> int:
        """How many requests to hold at most."""

    async def answer(self, asked: Asked) -> tuple[Reply, str]:
        """The reply to a request, and whether it is one, a refusal or a failure."""


class Consumer:
    """One consumer of a queue."""

    def __init__(
        self,
        work: Work,
        settings: QueueSettings,
        queue: Queue,
        replies: Replies,
        counts: Tally,
    ) -> None:
        self._work, self._settings = work, settings
        self._queue, self._replies, self._tally = queue, replies, counts
        self._held: dict[asyncio.Task[None], Message] = {}
        self._stopping = asyncio.Event()
        # How many to hold at most, from one on.
        self._window = 1
        # Before the next attempt to fetch.
        self._pause = FIRST_PAUSE_SECONDS
        self._patience = Patience(self._stopping, counts)

    def stop(self) -> None:
        """Fetch no more; finish what is held."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    async def connect(self) -> None:
        """Connect to broker and store, until they answer or `stop`. Raises QueueRefusedError."""
        try:
            await self._patience.until_done(QUEUE, self._queue.open)
            if not self.is_stopping:
                await self._patience.until_done(REPLIES, self._replies.open)
        except UnavailableError:
            # It is to stop: there is nothing to finish.
            return

    async def run(self) -> None:
        """Consume until `stop`, then finish or release what is held."""
        async with self._beside() as stopped:
            while not self.is_stopping:
                free = min(self._window, self._work.room) - len(self._held)
                if free <= 0:
                    await asyncio.wait({*self._held, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    continue
                messages = await self._fetch(free)
                if messages is None:
                    continue
                # Who may have been the end of a pod is alone in this one: nobody else is to be
                # counted as delivered once more because of it.
                is_suspect = any(message.deliveries > 1 for message in messages)
                self._window = 1 if is_suspect else min(self._settings.prefetch, 2 * self._window)
                for message in messages:
                    self._hold(message)
            await self._finish()

    async def run_one(self, seconds: float) -> None:
        """Settle one message, or none if there is none within the time; release it on `stop`."""
        async with self._beside() as stopped:
            end = time.monotonic() + seconds
            while not self._held and not self.is_stopping and time.monotonic() < end:
                for message in await self._fetch(1) or ():
                    self._hold(message)
            if self._held:
                await asyncio.wait({*self._held, stopped}, return_when=asyncio.FIRST_COMPLETED)
            await self._finish()

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[asyncio.Task[bool]]:
        """Give signs of life and look at the queue meanwhile, then disconnect.

        With a task that ends on `stop`.
        """
        stopped = asyncio.create_task(self._stopping.wait())
        side = [stopped, *map(asyncio.create_task, (self._extend(), self._watch()))]
        yield stopped
        for task in side:
            task.cancel()
        await asyncio.gather(*side, return_exceptions=True)
        for close in (self._replies.close, self._queue.close):
            await close()

    async def _fetch(self, limit: int) -> list[Message] | None:
        """The messages that are there; None, after a pause, if the broker does not answer."""
        try:
            messages = await self._patience.told(QUEUE, self._queue.fetch(limit, FETCH_SECONDS))
        except UnavailableError:
            await self._patience.wait(self._pause)
            self._pause = min(MAX_PAUSE_SECONDS, self._pause * 2)
            return None
        self._pause = FIRST_PAUSE_SECONDS
        return messages

    # -- one message
    def _hold(self, message: Message) -> None:
        if message.deliveries > 1:
            self._tally.redelivered += 1
        task = asyncio.create_task(self._settle(message))
        self._held[task] = message
        self._tally.held = len(self._held)

        def done(task: asyncio.Task[None]) -> None:
            del self._held[task]
            self._tally.held = len(self._held)

        task.add_done_callback(done)

    async def _settle(self, message: Message) -> None:
        try:
            result = await self._result(message)
        except UnavailableError:
            # It is delivered again: this one has left no answer that is not stored.
            result = tally.RELEASED
        except Exception:
            LOGGER.exception("message_failed", extra={"position": message.position})
            with suppress(UnavailableError):
                # Not at once: it would fail again at once.
                await self._queue.later(message, self._delay(message))
            result = tally.RELEASED
        self._tally.results[result] += 1

    async def _result(self, message: Message) -> str:
        """Answer a message; what became of it. Raises UnavailableError."""
        asked = read(message)
        if message.deliveries > 1:
            # Held while the store does not answer: given back, it would be counted as delivered.
            is_answered = await self._patience.until_done(
                REPLIES, lambda: self._replies.has(asked.key)
            )
            if is_answered:
                await self._patience.told(QUEUE, self._queue.ack(message))
                return tally.DUPLICATE
        is_last = message.deliveries >= self._settings.max_deliveries
        if message.deliveries > self._settings.max_deliveries:
            # Not asked again: whoever was, did not come back.
            reply, result = given_up(asked, message.deliveries - 1), tally.FAILED
        else:
            reply, result = await self._work.answer(asked)
            if result == tally.FAILED and not is_last:
                await self._patience.told(QUEUE, self._queue.later(message, self._delay(message)))
                return tally.RETRIED
        if result in (tally.REFUSED, tally.FAILED):
            await self._bury(message, asked, reply)
        is_first = await self._store(message, asked, reply)
        await self._patience.told(QUEUE, self._queue.ack(message))
        if not is_first:
            return tally.DUPLICATE
        if message.sent is not None:
            self._tally.observe_age(max(0.0, time.time() - message.sent))
        return result

    async def _bury(self, message: Message, asked: Asked, reply: Reply) -> None:
        text = short_problem(asked, reply)
        await self._patience.until_done(QUEUE, lambda: self._queue.dead(message, asked, text))
        self._tally.dead += 1
        LOGGER.warning(
            "message_dead",
            extra={
                "message_id": asked.id,
                "status": reply.status,
                "deliveries": message.deliveries,
                "queue": self._settings.dead,
            },
        )

    async def _store(self, message: Message, asked: Asked, reply: Reply) -> bool:
        """Store the answer; whether it is the first one."""
        work = self._work

        async def put(reply: Reply) -> bool:
            answer = answers.encode(asked, reply, work.name, work.version)
            return await self._replies.put(asked.key, answer)

        try:
            return await self._patience.until_done(REPLIES, lambda: put(reply))
        except TooLargeError as error:
            told = too_large(asked, str(error))
            await self._bury(message, asked, told)
            return await self._patience.until_done(REPLIES, lambda: put(told))

    def _delay(self, message: Message) -> float:
        delay = self._settings.retry_seconds * 2 ** min(20, message.deliveries - 1)
        return float(min(delay, self._queue.ack_seconds))

    # -- what happens beside
    async def _extend(self) -> None:
        """Give signs of life for what is held."""
        while True:
            await asyncio.sleep(self._queue.ack_seconds / 3)
            if self._held:
                try:
                    await self._queue.extend(list(self._held.values()))
                except AppError as error:
                    self._patience.report(QUEUE, error)

    async def _watch(self) -> None:
        """Ask how long the queue is."""
        while True:
            try:
                self._tally.depth = await self._queue.depth()
            except AppError:
                # An old number would look like a true one.
                self._tally.depth = None
            await asyncio.sleep(DEPTH_SECONDS)

    async def _finish(self) -> None:
        """Wait for what is held; what is not done in time is delivered to others at once."""
        if not self._held:
            return
        _, late = await asyncio.wait(self._held, timeout=self._work.grace_seconds)
        messages = [self._held[task] for task in late]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for message in messages:
            try:
                await self._queue.later(message, 0)
            except UnavailableError:
                break
            finally:
                self._tally.results[tally.RELEASED] += 1
