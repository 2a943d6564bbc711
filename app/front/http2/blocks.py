"""Header blocks (HPACK, RFC 7541) -> heads of requests.

Clients that repeat a request send its head as indexes into the table that both sides keep. Such a
block is looked up whole, as long as nothing changes the table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpack import Decoder, HPACKError

from app.front.http2.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    ConnectionFaultError,
)
from app.front.http2.heads import Head, read
from app.front.memory import MAX_HEAD_BYTES, Share

if TYPE_CHECKING:
    from app.front.memory import Bounds

# Of a block, decoded, by RFC 9113's measure. One beyond MAX_HEAD_BYTES is refused with 431, one
# beyond this is not decoded to its end, after which nobody knows the table any more.
MAX_LIST_BYTES = 2 * MAX_HEAD_BYTES
# A client asks for a few things again and again.
MAX_KNOWN = 16
MAX_KNOWN_BYTES = 64
# What a known head costs besides its bytes, and what an entry of the table costs.
KNOWN_BYTES, ENTRY_BYTES = 1024, 128
# Each byte of these is one field by its index.
INDEXED = bytes(range(0x80, 0xFF))
# More updates of the table's size than an encoder has use for (RFC 7541, 4.2).
UPDATES = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*[\x00-\x7f]){3}")


class Blocks:
    """The header blocks that one connection receives."""

    __slots__ = ("_bounds", "_decoder", "_known", "_known_share", "_table_share")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._decoder = Decoder(MAX_LIST_BYTES)
        self._known: dict[bytes, Head] = {}
        self._known_share, self._table_share = Share(bounds.memory), Share(bounds.memory)

    def decode(self, block: bytes) -> Head:
        """The head of a request. Raises ConnectionFaultError."""
        head = self._known.get(block)
        if head is not None:
            return head
        bounds = self._bounds
        head = read(self.fields(block), bounds.max_timeout_ms, bounds.max_body_bytes)
        if len(block) <= MAX_KNOWN_BYTES and not block.translate(None, INDEXED):
            self._keep(block, head)
        return head

    def _keep(self, block: bytes, head: Head) -> None:
        if len(self._known) == MAX_KNOWN:
            self._forget()
        if self._known_share.resize(self._known_share.size + head.size + KNOWN_BYTES):
            self._known[block] = head

    def _forget(self) -> None:
        self._known.clear()
        self._known_share.resize(0)

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a block. Raises ConnectionFaultError."""
        if UPDATES.match(block):
            raise ConnectionFaultError(COMPRESSION_ERROR, "expected two updates of the table")
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise ConnectionFaultError(COMPRESSION_ERROR, str(error)[:100]) from error
        if block.translate(None, INDEXED):
            self._forget()
            size = len(self._decoder.header_table.dynamic_entries) * ENTRY_BYTES
            if not self._table_share.resize(size):
                raise ConnectionFaultError(ENHANCE_YOUR_CALM, "too much memory for all clients")
        return fields  # type: ignore[return-value]

    def close(self) -> None:
        """Release everything."""
        self._forget()
        self._table_share.resize(0)
