"""Header blocks (HPACK, RFC 7541) -> heads of requests.

Clients that repeat a request send its head as indexes into the table that both sides keep. Such a
block is looked up whole, as long as nothing changes the table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpack import Decoder, HPACKError

from app.front.http2.frames import COMPRESSION_ERROR, ConnectionFaultError
from app.front.http2.heads import Head, read
from app.front.memory import MAX_HEAD_BYTES

if TYPE_CHECKING:
    from app.front.memory import Bounds

# Of a block, decoded, by RFC 9113's measure. One beyond MAX_HEAD_BYTES is refused with 431, one
# beyond this is not decoded to its end, after which nobody knows the table any more.
MAX_LIST_BYTES = 2 * MAX_HEAD_BYTES
MAX_KNOWN = 64
MAX_KNOWN_BYTES = 64
# Each byte of these is one field by its index.
INDEXED = bytes(range(0x80, 0xFF))
# More updates of the table's size than an encoder has use for (RFC 7541, 4.2).
UPDATES = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*[\x00-\x7f]){3}")


class Blocks:
    """The header blocks that one connection receives."""

    __slots__ = ("_bounds", "_decoder", "_known")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._decoder = Decoder(MAX_LIST_BYTES)
        self._known: dict[bytes, Head] = {}

    def decode(self, block: bytes) -> Head:
        """The head of a request. Raises ConnectionFaultError."""
        head = self._known.get(block)
        if head is not None:
            return head
        bounds = self._bounds
        head = read(self.fields(block), bounds.max_timeout_ms, bounds.max_body_bytes)
        if len(block) > MAX_KNOWN_BYTES or block.translate(None, INDEXED):
            return head
        if len(self._known) == MAX_KNOWN:
            self._known.clear()
        self._known[block] = head
        return head

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a block. Raises ConnectionFaultError."""
        if UPDATES.match(block):
            raise ConnectionFaultError(COMPRESSION_ERROR, "expected two updates of the table")
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise ConnectionFaultError(COMPRESSION_ERROR, str(error)[:100]) from error
        if block.translate(None, INDEXED):
            self._known.clear()
        return fields  # type: ignore[return-value]
