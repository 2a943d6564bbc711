"""What one connection sends: responses as far as the client's windows and its socket take them.

What they do not take is held, counted, and given up when nothing of it goes on for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.front.http2 import response
from app.front.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEAD,
    HEADERS,
    INITIAL_WINDOW,
    MAX_WINDOW,
    MIN_FRAME_BYTES,
    TABLE_BYTES,
    ConnectionFaultError,
    header_frames,
)
from app.front.memory import WRITE_BUFFER_BYTES
from app.front.response import BODILESS

if TYPE_CHECKING:
    from app.front.memory import Memory
    from app.responses import Reply

NOTHING = memoryview(b"")


class Sent(Protocol):
    """A stream, as far as its answer is concerned."""

    id: int
    # Bytes that the client takes; below zero after it made its windows smaller.
    window: int
    # What it does not take yet, since when, and the fields after it: None if more data may follow.
    pending: memoryview
    since: float
    trailers: bytes | None


class Sending:
    """The frames that go out on one connection."""

    __slots__ = (
        "_memory", "_prefix", "frame_bytes", "initial", "is_writable", "out", "table_bytes",
        "waiting", "window",
    )  # fmt: skip

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        # What the next header block begins with.
        self._prefix = b""
        self.table_bytes = TABLE_BYTES
        self.window = self.initial = INITIAL_WINDOW
        self.frame_bytes = MIN_FRAME_BYTES
        self.is_writable = True
        # For the socket, as soon as it is written to.
        self.out: list[bytes | memoryview] = []
        self.waiting: dict[int, Sent] = {}

    def head(self, stream: Sent, block: bytes, flags: int) -> None:
        """Send a header block."""
        if self._prefix:
            block, self._prefix = self._prefix + block, b""
        size = len(block)
        if size <= self.frame_bytes:
            head = HEAD.pack(size >> 16, size & 0xFFFF, HEADERS, flags | END_HEADERS, stream.id)
            self.out += (head, block)
        else:
            self.out.append(header_frames(stream.id, block, flags, self.frame_bytes))

    def reply(self, stream: Sent, reply: Reply, now: float, *, with_body: bool) -> bool:
        """Send a response; whether all of it is on its way. Raises MemoryError if it may not wait.

        Its head and its fields at the end go at once: they are small, and streams are few.
        """
        body = reply.body if with_body and reply.status not in BODILESS else b""
        self.head(stream, response.head(reply), 0 if body else END_STREAM)
        return not body or self.end(stream, body, reply.trailers, now)

    def end(self, stream: Sent, body: bytes, fields: dict[str, str] | None, now: float) -> bool:
        """Send the last data of a stream, and the fields after it."""
        trailers = b"" if fields is None else response.trailers(fields)
        return self._send(stream, body, trailers, now)

    def data(self, stream: Sent, data: bytes, now: float) -> None:
        """Send data after which more follows. Raises MemoryError if it may not wait."""
        self._send(stream, data, None, now)

    def _send(self, stream: Sent, data: bytes, trailers: bytes | None, now: float) -> bool:
        size = len(data)
        takes = self.frame_bytes if self.is_writable else 0
        if not stream.pending and (not size or size <= min(stream.window, self.window, takes)):
            stream.window -= size
            self.window -= size
            self._data(stream.id, data, trailers)
            if trailers:
                self.head(stream, trailers, END_STREAM)
            return trailers is not None
        if not self._memory.take(size):
            raise MemoryError
        if not stream.pending:
            stream.since = now
        stream.pending = memoryview(bytes(stream.pending) + data if stream.pending else data)
        stream.trailers = trailers
        self.waiting[stream.id] = stream
        return False

    def _data(self, stream_id: int, data: bytes | memoryview, trailers: bytes | None) -> None:
        size = len(data)
        if size or trailers == b"":
            flags = END_STREAM if trailers == b"" else 0
            self.out += (HEAD.pack(size >> 16, size & 0xFFFF, DATA, flags, stream_id), data)

    def drop(self, stream: Sent) -> None:
        """Forget what waits for a stream's window."""
        if self.waiting.pop(stream.id, None) is not None:
            self._memory.take(-len(stream.pending))
            stream.pending = NOTHING

    def pump(self, now: float) -> list[Sent]:
        """Move what waits to `out`, a frame of each stream in turn; the streams that are done."""
        done: list[Sent] = []
        left = WRITE_BUFFER_BYTES
        moved = self.is_writable
        while moved and left > 0 and self.waiting:
            moved = False
            for stream in list(self.waiting.values()):
                size = min(len(stream.pending), stream.window, self.window, self.frame_bytes)
                if size <= 0:
                    continue
                moved = True
                left -= size
                self._move(stream, size, now)
                if not stream.pending:
                    del self.waiting[stream.id]
                    if stream.trailers is not None:
                        done.append(stream)
        return done

    def _move(self, stream: Sent, size: int, now: float) -> None:
        piece, stream.pending = stream.pending[:size], stream.pending[size:]
        stream.window -= size
        self.window -= size
        stream.since = now
        self._memory.take(-size)
        self._data(stream.id, piece, None if stream.pending else stream.trailers)
        if not stream.pending and stream.trailers:
            self.head(stream, stream.trailers, END_STREAM)

    # -- what the client says
    def widen(self, size: int) -> None:
        """The client takes so much more. Raises ConnectionFaultError."""
        self.window += size
        if self.window > MAX_WINDOW:
            raise ConnectionFaultError(FLOW_CONTROL_ERROR, "expected a smaller WINDOW_UPDATE")

    def resize_table(self, size: int) -> None:
        """The client's table is of this size: if that is smaller, ours is empty from now on."""
        if size < self.table_bytes:
            self.table_bytes, self._prefix = 0, response.EMPTY_TABLE
