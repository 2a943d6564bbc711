"""Calls of gRPC as fast as a server answers: one process, each connection with one call at a time.

    python -m benchmarks.call_load PORT METHOD SECONDS < message

Prints a JSON object. Frames are counted, not read: a real client would cost more than the server.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time

import hpack

CONNECTIONS = 16
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBL")
DATA, HEADERS, RESET, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_WINDOW = 2**31 - 1
INITIAL_WINDOW = 65_535
BUFFER_BYTES = 65_536


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


class Caller:
    """One connection, which calls again as soon as it is answered."""

    def __init__(self, port: int, method: str, message: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._encoder = hpack.Encoder()
        self._fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", f"127.0.0.1:{port}"),
            ("content-type", "application/grpc"),
            ("user-agent", "bench"),
            ("te", "trailers"),
        ]
        self._body = struct.pack(">BI", 0, len(message)) + message
        self._rest, self._stream = b"", -1
        self.answered = self.failed = 0
        settings = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, MAX_WINDOW))
        window = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", MAX_WINDOW - INITIAL_WINDOW))
        self._socket.sendall(PREFACE + settings + window)
        self.call()

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def call(self) -> None:
        """Send the next call."""
        self._stream += 2
        # From the second on it is the same few bytes: all fields are in the table.
        block = self._encoder.encode(self._fields, huffman=False)
        self._socket.sendall(
            frame(HEADERS, END_HEADERS, self._stream, block)
            + frame(DATA, END_STREAM, self._stream, self._body)
        )

    def read(self) -> None:
        """Take what was answered. Raises ConnectionError at the end of the connection."""
        data = self._rest + self._socket.recv(BUFFER_BYTES)
        if len(data) == len(self._rest):
            raise ConnectionError("the server closed the connection")
        start = 0
        while len(data) - start >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(data, start)
            end = start + HEAD.size + (high << 8 | low)
            if end > len(data):
                break
            if kind == SETTINGS and not flags & ACK:
                self._socket.sendall(frame(SETTINGS, ACK, 0, b""))
            elif kind in (RESET, GOAWAY):
                raise ConnectionError(f"a frame {kind}: {data[start:end]!r}")
            elif kind in (DATA, HEADERS) and flags & END_STREAM and stream == self._stream:
                self.answered += 1
                # One HEADERS frame is a refusal.
                self.failed += kind != HEADERS or self._is_first
                self._is_first = True
                self.call()
            elif kind == HEADERS:
                self._is_first = False
            start = end
        self._rest = data[start:]

    _is_first = True


def load(port: int, method: str, message: bytes, seconds: float) -> dict[str, float]:
    """Calls answered and refused, and calls per second."""
    selector = selectors.DefaultSelector()
    callers = [Caller(port, method, message) for _ in range(CONNECTIONS)]
    for caller in callers:
        selector.register(caller, selectors.EVENT_READ, caller)
    started = time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(seconds - (now - started)):
            key.data.read()
    answered = sum(caller.answered for caller in callers)
    failed = sum(caller.failed for caller in callers)
    return {"requests": answered, "failed": failed, "rps": answered / (now - started)}


if __name__ == "__main__":
    print(
        json.dumps(load(int(sys.argv[1]), sys.argv[2], sys.stdin.buffer.read(), float(sys.argv[3])))
    )
