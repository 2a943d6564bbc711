"""What a shared store of entries offers; each kind of store becomes this."""

from __future__ import annotations

from typing import Protocol


class StoreError(Exception):
    """The store did not answer, or not in a way that the next request could expect another."""


class RefusedWriteError(Exception):
    """The store answers, and does not keep this: it is full, or may only be read."""


class ForeignEntryError(Exception):
    """What is under a key was not put there by us."""


class Store(Protocol):
    """May block for as long as it likes: only a thread of its own asks it."""

    def ping(self) -> None:
        """Connect if need be. Raises StoreError."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Raises StoreError, ForeignEntryError."""
        ...

    def put(self, key: bytes, entry: bytes) -> None:
        """Raises StoreError, RefusedWriteError."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
