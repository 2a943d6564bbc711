"""Brokers and stores that do not answer are asked again, and a log line says so once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from app.consume.queue import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.consume.tally import Tally
    from app.errors import AppError

# Between attempts.
FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 5.0
QUEUE, REPLIES = "queue", "replies"
LOGGER = logging.getLogger("consume")
T = TypeVar("T")


class Patience:
    """How one consumer waits for what it needs, until it is to stop."""

    def __init__(self, stopping: asyncio.Event, counts: Tally) -> None:
        self._stopping, self._tally = stopping, counts
        # What does not answer.
        self._unavailable: set[str] = set()

    async def until_done(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again until there is an answer; once more if the consumer is to stop.

        Raises UnavailableError if it is.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self.told(what, ask())
            except UnavailableError:
                if self._stopping.is_set():
                    raise
                await self.wait(pause)
                pause = min(MAX_PAUSE_SECONDS, pause * 2)

    async def told(self, what: str, asking: Awaitable[T]) -> T:
        """The answer of one attempt. Raises UnavailableError, which is reported."""
        try:
            done = await asking
        except UnavailableError as error:
            self.report(what, error)
            raise
        self.report(what, None)
        return done

    async def wait(self, seconds: float) -> None:
        """Pause, unless the consumer is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def report(self, what: str, error: AppError | None) -> None:
        """Log once that broker or store do not answer, and once that they do."""
        if error is not None and what not in self._unavailable:
            self._unavailable.add(what)
            LOGGER.warning("queue_unavailable", extra={"what": what, "reason": str(error)})
        elif error is None and what in self._unavailable:
            self._unavailable.discard(what)
            LOGGER.info("queue_available", extra={"what": what})
        self._tally.connected = not self._unavailable
