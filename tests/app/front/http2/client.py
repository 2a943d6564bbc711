"""A client of HTTP/2 without a socket, on h2, and a front that answers it.

h2 reads what the front sends and complains when that breaks the protocol. What a good client never
sends is written by hand, with hpack and `frame`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
from hpack import Encoder

from app.front.front import Front
from app.front.http1 import Http1
from app.front.memory import Bounds, Memory
from app.request import Request
from app.responses import Reply
from app.service import Service

MAX_BODY = 100_000
MEMORY = 1_000_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 1, 3, 4, 6, 7, 8
DATA, PRIORITY, CONTINUATION = 0, 2, 9
END_STREAM, END_HEADERS = 1, 4
HEAD = ((":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", "x"))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, as RFC 9113 (4.1) draws it."""
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


def headers(stream: int, flags: int = END_HEADERS, fields: Any = HEAD) -> bytes:
    """HEADERS whose fields leave the table as it is."""
    encoder = Encoder()
    block = b"".join(encoder.add((n.encode(), v.encode()), True, False) for n, v in fields)
    return frame(HEADERS, flags, stream, block)


GREETING = PREFACE + frame(SETTINGS, 0, 0)


class Transport:
    """asyncio's transport, without a socket: takes everything, or nothing while it `is_full`."""

    def __init__(self) -> None:
        self.written = b""
        self.held = b""
        self.is_full = self.is_over = self.is_paused = self.is_ended = False
        self.protocol: Any = None

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        """The address of the server."""
        return ("127.0.0.1", 8080)

    def set_write_buffer_limits(self, _high: int) -> None:
        """A test says when it is full."""

    def set_protocol(self, protocol: Any) -> None:
        """As asyncio's."""
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        """As asyncio's."""
        if self.is_over:
            return
        if self.is_full:
            self.held += data
            if self.held and self.protocol is not None:
                self.protocol.pause_writing()
        else:
            self.written += data

    def get_write_buffer_size(self) -> int:
        """What was written in vain."""
        return len(self.held)

    def empty(self) -> None:
        """The client reads again."""
        self.is_full = False
        self.written += self.held
        self.held = b""
        self.protocol.resume_writing()

    def write_eof(self) -> None:
        """As asyncio's."""
        self.is_ended = True

    def pause_reading(self) -> None:
        """As asyncio's."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """As asyncio's."""
        self.is_paused = False

    def is_reading(self) -> bool:
        """As asyncio's."""
        return not self.is_paused

    def is_closing(self) -> bool:
        """As asyncio's."""
        return self.is_over

    def abort(self) -> None:
        """As asyncio's, at once."""
        if not self.is_over:
            self.is_over = True
            self.protocol.connection_lost(None)

    close = abort


class Answers(Front):
    """A front that notes requests and answers them by a function, or later."""

    def __init__(self, service: Service, answer: Callable[[Request], Reply | None]) -> None:
        super().__init__(lambda *_: [], service)
        self.answer = answer
        self.bounds = Bounds(MAX_BODY, 5000, Memory(MEMORY))
        self.requests: list[Request] = []
        self.exchanges: list[Any] = []
        self.faults: list[str] = []

    def handle(self, exchange: Any, request: Request) -> None:
        """Answer by the function; what is None is answered by the test."""
        self.requests.append(request)
        self.exchanges.append(exchange)
        if request.refused is not None:
            super().handle(exchange, request)
            return
        reply = self.answer(request)
        if reply is not None:
            exchange.reply(reply)

    def record(self, error: Any, port: int) -> None:
        """Noted, counted and logged."""
        self.faults.append(error.detail)
        super().record(error, port)


def echo(request: Request) -> Reply:
    """The body, with a trailer as gRPC has it."""
    return Reply(200, request.body, "application/grpc", trailers={"grpc-status": "0"})


class Conversation:
    """One client of one front. Use it in a running loop."""

    def __init__(self, front: Answers, *, greets: bool = True) -> None:
        self.front = front
        self.transport = Transport()
        connection = Http1(front)
        self.transport.protocol = connection
        connection.connection_made(self.transport)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.events: list[Any] = []
        self._read = 0
        if greets:
            self.h2.initiate_connection()
            self.flush()

    def feed(self, data: bytes) -> None:
        """Bytes arrive, as many at a time as the front takes."""
        while data and not self.transport.is_over:
            piece, data = data[:65_536], data[65_536:]
            self.front.view[: len(piece)] = piece
            self.transport.protocol.buffer_updated(len(piece))

    def flush(self) -> None:
        """Send what h2 has to send."""
        self.feed(self.h2.data_to_send())

    def ask(
        self, body: bytes = b"", *more: tuple[str, str], ends: bool = True, **pseudo: str
    ) -> int:
        """Send a request as far as the windows allow; its stream."""
        stream = self.h2.get_next_available_stream_id()
        given = {":method": "POST", ":path": "/echo", ":scheme": "http", ":authority": "x"}
        given |= {f":{name}": value for name, value in pseudo.items()}
        self.h2.send_headers(stream, [*given.items(), *more], end_stream=ends and not body)
        size = self.h2.max_outbound_frame_size
        for start in range(0, len(body), size):
            is_last = start + size >= len(body)
            self.h2.send_data(stream, body[start : start + size], end_stream=ends and is_last)
        self.flush()
        return stream

    async def turn(self, count: int = 2) -> list[Any]:
        """Let the front write; all events so far. h2's own answers are sent."""
        for _ in range(count):
            await asyncio.sleep(0)
            data = self.transport.written[self._read :]
            self._read = len(self.transport.written)
            if data:
                self.events += self.h2.receive_data(data)
                self.flush()
        return self.events

    def of(self, kind: type[Any], stream: int | None = None) -> list[Any]:
        """The events of a kind, and of a stream."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (stream is None or event.stream_id == stream)
        ]

    def body(self, stream: int) -> bytes:
        """The data of a response."""
        return b"".join(event.data for event in self.of(h2.events.DataReceived, stream))

    def status(self, stream: int) -> str:
        """The status of a response."""
        (event,) = self.of(h2.events.ResponseReceived, stream)
        return str(dict(event.headers)[":status"])

    def is_paused(self) -> bool:
        """Whether the front reads nothing from this client now."""
        return self.transport.is_paused

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """What was written, frame by frame: type, flags, stream, payload."""
        data, found = self.transport.written, []
        while data:
            end = 9 + int.from_bytes(data[:3], "big")
            stream = int.from_bytes(data[5:9], "big")
            found.append((data[3], data[4], stream, data[9:end]))
            data = data[end:]
        return found

    async def settle(self) -> None:
        """Until the front has taken and answered everything."""
        await asyncio.sleep(0)
        while self.transport.is_paused and not self.transport.is_over:
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    def end(self) -> tuple[int, str] | None:
        """The code and the text with which the front ended the connection."""
        said = [data for kind, _, _, data in self.frames() if kind == GOAWAY]
        if not said:
            return None
        return int.from_bytes(said[-1][4:8], "big"), said[-1][8:].decode()

    def close(self) -> None:
        """The client goes."""
        self.transport.abort()
