"""Frames of HTTP/2 as bytes (RFC 9113, 4 to 7). Knows nothing of a connection."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
# Length in 8 and 16 bits, type, flags, stream (of which the highest bit is reserved).
HEAD = struct.Struct(">BHBBI")
NUMBER = struct.Struct(">I")
SETTING = struct.Struct(">HI")
MAX_STREAM = 0x7FFFFFFF
MAX_WINDOW = 0x7FFFFFFF
# What both sides begin with.
INITIAL_WINDOW = 65_535
MIN_FRAME_BYTES = 16_384
PRIORITY_BYTES = 5
PING_BYTES = 8
# Asks a client whether it has read what was said before: that the connection ends.
LAST_PING = b"goodbye."
MAX_FRAME_BYTES = 0xFFFFFF
TABLE_BYTES = 4096

# Types.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
CONTINUATION = 9
# Flags; what is ACK for some types is END_STREAM for others.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20
# Settings.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6
# Error codes.
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11
NAMES = {
    NO_ERROR: "NO_ERROR",
    PROTOCOL_ERROR: "PROTOCOL_ERROR",
    INTERNAL_ERROR: "INTERNAL_ERROR",
    FLOW_CONTROL_ERROR: "FLOW_CONTROL_ERROR",
    STREAM_CLOSED: "STREAM_CLOSED",
    FRAME_SIZE_ERROR: "FRAME_SIZE_ERROR",
    REFUSED_STREAM: "REFUSED_STREAM",
    CANCEL: "CANCEL",
    COMPRESSION_ERROR: "COMPRESSION_ERROR",
    ENHANCE_YOUR_CALM: "ENHANCE_YOUR_CALM",
}


class ConnectionFaultError(Exception):
    """What ends a connection: the client broke the protocol, or goes on at our expense."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class StreamFaultError(Exception):
    """What ends a stream, and leaves the others alone."""

    def __init__(self, stream: int, code: int, detail: str) -> None:
        super().__init__(detail)
        self.stream = stream
        self.code = code
        self.detail = detail


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """SETTINGS with these values."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*pair) for pair in values.items()))


def window_update(stream: int, size: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, NUMBER.pack(size))


def rst_stream(stream: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame(RST_STREAM, 0, stream, NUMBER.pack(code))


def goaway(last: int, code: int, detail: str = "") -> bytes:
    """GOAWAY: streams up to `last` are, or may be, answered."""
    return frame(GOAWAY, 0, 0, NUMBER.pack(last) + NUMBER.pack(code) + detail.encode())


def header_frames(stream: int, block: bytes, flags: int, size: int) -> bytes:
    """HEADERS, and CONTINUATION as far as the block needs it; `size`: of one frame at most."""
    if len(block) <= size:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    parts = [frame(HEADERS, flags, stream, block[:size])]
    for start in range(size, len(block), size):
        last = END_HEADERS if start + size >= len(block) else 0
        parts.append(frame(CONTINUATION, last, stream, block[start : start + size]))
    return b"".join(parts)


def without_priority(stream: int, payload: bytes) -> bytes:
    """The payload of HEADERS without its priority, which means nothing any more (5.3.2)."""
    if len(payload) < PRIORITY_BYTES:
        raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected a priority of 5 bytes")
    verify_priority(stream, payload)
    return payload[PRIORITY_BYTES:]


def verify_priority(stream: int, payload: bytes) -> None:
    """Raises StreamFaultError for a stream that depends on itself."""
    if NUMBER.unpack_from(payload)[0] & MAX_STREAM == stream:
        raise StreamFaultError(stream, PROTOCOL_ERROR, "expected no stream that depends on itself")


def without_padding(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding. Raises ConnectionFaultError."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected the length of the padding")
    end = len(payload) - payload[0]
    if end < 1:
        raise ConnectionFaultError(PROTOCOL_ERROR, "expected padding shorter than its frame")
    return payload[1:end]
