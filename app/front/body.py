"""The body of one request as it arrives: bounded, and counted in the memory of all clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.front.memory import MAX_SMALL_CHUNKS, MIN_CHUNK_BYTES
from app.front.refusals import body_too_large, chunks_too_small, too_much_memory

if TYPE_CHECKING:
    from app.front.memory import Bounds


class Body:
    """Bytes in the order in which they came."""

    __slots__ = ("_bounds", "_chunks", "_data", "_held")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._data: bytes | bytearray = b""
        self._held = self._chunks = 0

    def __len__(self) -> int:
        return len(self._data)

    @property
    def data(self) -> bytes:
        """What is here of it."""
        return bytes(self._data)

    def verify_chunk(self, size: int) -> None:
        """A body that comes in pieces is now of this size. Raises RequestError 413."""
        if size > self._bounds.max_body_bytes:
            raise body_too_large(self._bounds.max_body_bytes)
        self._chunks += 1
        if self._chunks > MAX_SMALL_CHUNKS + size // MIN_CHUNK_BYTES:
            raise chunks_too_small(MIN_CHUNK_BYTES)

    def hold(self, size: int) -> None:
        """Count so many bytes more, of the body or beside it. Raises RequestError 503."""
        if not self._bounds.memory.take(size):
            raise too_much_memory()
        self._held += size

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises RequestError 503."""
        self.hold(len(piece))
        if not self._data:
            self._data = piece
            return
        if isinstance(self._data, bytes):
            # No list of parts: those of one byte each would hold forty times as much.
            self._data = bytearray(self._data)
        self._data += piece

    def drop(self) -> None:
        """Release what is held, at once: whoever else is read in this turn needs it."""
        if self._held:
            self._bounds.memory.take(-self._held)
            self._held = 0
        self._data = b""
        self._chunks = 0
