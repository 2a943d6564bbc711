"""Requests as fast as a server answers: one process, each connection with one request at a time.

    python -m benchmarks.call_load PORT PATH SECONDS grpc|http < messages or bodies

Reads them one after the other, each after its length in four bytes, and sends them in turns: what
came before must not be an answer to what comes next. Prints a JSON object. Frames are counted, not
read: a real client would cost more than the server.
One generator for both protocols, because what a request costs depends on how many come at once.
"""

from __future__ import annotations

import itertools
import json
import re
import selectors
import socket
import struct
import sys
import time
from typing import Protocol

import hpack

from benchmarks.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_NUMBER,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    settings,
)

CONNECTIONS = 16
INITIAL_WINDOW = 65_535
SECOND_STREAM = 3
BUFFER_BYTES = 65_536
SIZE = struct.Struct(">I")
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


class Dialect(Protocol):
    """How a request is written, and where an answer ends."""

    answered: int
    failed: int

    def greeting(self) -> bytes:
        """What comes before the first request."""

    def request(self) -> bytes:
        """The next request."""

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Count what is answered: how much of the data is used, and what is to be sent."""


class Http:
    """HTTP/1.1."""

    def __init__(self, port: int, path: str, bodies: list[bytes]) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        )
        self._requests = itertools.cycle(
            [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        )
        self.answered = self.failed = 0

    def greeting(self) -> bytes:
        """Nothing."""
        return b""

    def request(self) -> bytes:
        """The next body."""
        return next(self._requests)

    def take(self, data: bytes) -> tuple[int, bytes]:
        """One response at a time."""
        head, found, rest = data.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if not found or length is None or len(rest) < int(length[1]):
            return 0, b""
        self.answered += 1
        self.failed += not head.startswith(b"HTTP/1.1 200 ")
        return len(data), self.request()


class Grpc:
    """A call after the other, on streams of one connection."""

    def __init__(self, port: int, method: str, messages: list[bytes]) -> None:
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
        self._bodies = itertools.cycle(
            [struct.pack(">BI", 0, len(message)) + message for message in messages]
        )
        self._block = b""
        self._stream = -1
        self._frames = 0
        self.answered = self.failed = 0

    def greeting(self) -> bytes:
        """The preface, and windows that never close."""
        window = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", MAX_NUMBER - INITIAL_WINDOW))
        return PREFACE + settings((INITIAL_WINDOW_SIZE, MAX_NUMBER)) + window

    def request(self) -> bytes:
        """From the second on the head is the same few bytes: all fields are in the table."""
        self._stream += 2
        if self._stream <= SECOND_STREAM:
            self._block = self._encoder.encode(self._fields, huffman=False)
        return frame(HEADERS, END_HEADERS, self._stream, self._block) + frame(
            DATA, END_STREAM, self._stream, next(self._bodies)
        )

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Every whole frame. Raises ConnectionError when the server ends a call or all of them."""
        start, out = 0, b""
        while len(data) - start >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(data, start)
            end = start + HEAD.size + (high << 16 | low)
            if end > len(data):
                break
            if kind == SETTINGS and not flags & ACK:
                out += frame(SETTINGS, ACK, 0)
            elif kind in (RST_STREAM, GOAWAY):
                raise ConnectionError(f"a frame {kind}: {data[start:end]!r}")
            elif kind in (DATA, HEADERS) and stream == self._stream:
                self._frames += 1
                if flags & END_STREAM:
                    self.answered += 1
                    # A refusal is one frame; an answer has a head, a message and a trailer.
                    self.failed += self._frames == 1
                    self._frames = 0
                    out += self.request()
            start = end
        return start, out


DIALECTS: dict[str, type[Http | Grpc]] = {"http": Http, "grpc": Grpc}


class Caller:
    """One connection, which asks again as soon as it is answered."""

    def __init__(self, port: int, dialect: Dialect) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.dialect = dialect
        self._rest = b""
        self._socket.sendall(dialect.greeting() + dialect.request())

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def read(self) -> None:
        """Take what was answered. Raises ConnectionError at the end of the connection."""
        received = self._socket.recv(BUFFER_BYTES)
        if not received:
            raise ConnectionError("the server closed the connection")
        data = self._rest + received
        used, out = self.dialect.take(data)
        self._rest = data[used:]
        if out:
            self._socket.sendall(out)


def load(
    port: int, path: str, bodies: list[bytes], seconds: float, dialect: str
) -> dict[str, float]:
    """Requests answered and refused, and requests per second."""
    selector = selectors.DefaultSelector()
    kind = DIALECTS[dialect]
    callers = [Caller(port, kind(port, path, bodies)) for _ in range(CONNECTIONS)]
    for caller in callers:
        selector.register(caller, selectors.EVENT_READ, caller)
    started = time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(seconds - (now - started)):
            key.data.read()
    answered = sum(caller.dialect.answered for caller in callers)
    failed = sum(caller.dialect.failed for caller in callers)
    return {"requests": answered, "failed": failed, "rps": answered / (now - started)}


def pack(bodies: list[bytes]) -> bytes:
    """Bodies as they are read here."""
    return b"".join(SIZE.pack(len(body)) + body for body in bodies)


def unpack(data: bytes) -> list[bytes]:
    """The bodies again."""
    bodies, start = [], 0
    while start < len(data):
        end = start + SIZE.size + SIZE.unpack_from(data, start)[0]
        bodies.append(data[start + SIZE.size : end])
        start = end
    return bodies


if __name__ == "__main__":
    port, path, seconds, dialect = sys.argv[1:]
    asked = unpack(sys.stdin.buffer.read())
    print(json.dumps(load(int(port), path, asked, float(seconds), dialect)))
