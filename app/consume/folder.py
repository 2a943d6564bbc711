"""Answers as files of a folder or objects of a bucket, one for each key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.batch.errors import BatchError
from app.batch.inputs import open_folder
from app.consume.queue import QueueRefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class FolderReplies:
    """`<key>.json` below a folder or URL, created if absent."""

    def __init__(self, where: str) -> None:
        """Raises QueueRefusedError."""
        try:
            self._folder = open_folder(where)
        except BatchError as error:
            raise QueueRefusedError(
                error.what, expected=error.expected, found=error.found, fix="correct REPLY_URL"
            ) from error

    async def open(self) -> None:
        """Ask once: a store that refuses is not to be found out by the first answer."""
        await self.has("none")

    async def has(self, key: str) -> bool:
        """Raises UnavailableError."""
        try:
            await self._ask(lambda: self._folder.read(f"{key}.json"))
        except FileNotFoundError:
            return False
        return True

    async def put(self, key: str, answer: bytes) -> bool:
        """Raises UnavailableError."""
        return await self._ask(lambda: self._folder.create(f"{key}.json", answer))

    async def close(self) -> None:
        """There is no connection."""

    async def _ask(self, ask: Callable[[], T]) -> T:
        """In a thread: files and stores block."""
        try:
            return await asyncio.to_thread(ask)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnavailableError(f"{self._folder.where()}: {error}") from error
        except BatchError as error:
            raise UnavailableError(f"{error.what}: {error.found}") from error
