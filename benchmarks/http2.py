"""Frames of HTTP/2 as clients send them, written apart from what reads them in the service."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Length in 8 and 16 bits, type, flags, stream.
HEAD = struct.Struct(">BHBBL")
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
END_STREAM = ACK = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4
MAX_NUMBER = 2**31 - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(*values: tuple[int, int]) -> bytes:
    """SETTINGS with these numbers and values."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *value) for value in values))
