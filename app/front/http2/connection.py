"""HTTP/2 on one connection: bytes in, frames to its session, bytes out.

A client may send hundreds of requests at once. They are read as long as this turn of the loop has
time for them; the rest waits, unread, until others had their turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.front import refusals
from app.front.connection import end_half
from app.front.http2 import frames
from app.front.http2.frames import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    HEAD,
    HEAD_BYTES,
    INTERNAL_ERROR,
    MAX_STREAM,
    MIN_FRAME_BYTES,
    NO_ERROR,
    ConnectionFaultError,
)
from app.front.http2.session import Session
from app.front.http2.streams import Streams
from app.front.memory import HEAD_SECONDS, WRITE_SECONDS, Share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.errors import RequestError
    from app.front.front import Front

# After the announcement that a connection ends, requests arrive that were on their way (RFC 9113,
# 6.8): until the client has read it, which the answer to a PING says, or for so long.
DRAIN_SECONDS = 5.0
# What it costs more than a connection of HTTP/1.1.
CONNECTION_BYTES = 4096
# Frames, most of which are no requests, between two looks at the time.
FRAMES_PER_LOOK = 32


class Http2(asyncio.BufferedProtocol):
    """One connection, from the byte after its preface."""

    def __init__(self, front: Front, transport: Any) -> None:
        self.front, self.transport = front, transport
        port = transport.get_extra_info("sockname")[1]
        self._streams = Streams(front, transport, port, self._send_later)
        self._session = Session(self._streams)
        self._sending = self._streams.sending
        # What is not read yet, and what of that is counted.
        self._rest = b""
        memory = front.bounds.memory
        self._held, self._unread, self._base = Share(memory), Share(memory), Share(memory)
        # Whether that waits for the next turn, or for the rest of a frame.
        self._is_ahead = False
        self._is_answering = self._is_closing = False
        # When it had no request any more; when a frame began that is not here; when the client
        # stopped to read; when it was told that the connection ends.
        self.since = self._cut_since = self._unwritable_since = front.time
        self._is_cut = True
        self._drained_at: float | None = None

    def begin(self, data: bytes) -> None:
        """Greet the client, and read what came with its preface."""
        self._session.greet()
        if self._base.resize(CONNECTION_BYTES):
            self._read(data)
        else:
            self._fail(
                ConnectionFaultError(ENHANCE_YOUR_CALM, "too much memory"),
                refusals.too_much_memory(),
            )

    # -- asyncio
    def get_buffer(self, _sizehint: int) -> memoryview:
        """Called by asyncio: every connection reads into the same buffer."""
        return self.front.view

    def buffer_updated(self, size: int) -> None:
        """Called by asyncio."""
        if self._is_closing:
            # Read and drop: a close with unread bytes would reset the connection, and the client
            # would not see what was sent before.
            return
        data = bytes(self.front.view[:size])
        self._read(self._rest + data if self._rest else data)

    def eof_received(self) -> None:
        """Called by asyncio: the client is gone, and what it waits for is dropped."""

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by asyncio."""
        self._is_closing = True
        self.front.discard(self)
        self._session.close()
        self._hold(0)
        self._hold_unread(0)
        self._base.resize(0)
        self._rest = b""

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read."""
        self._sending.is_writable = False
        self._unwritable_since = self.front.time
        self._hold_unread(self.transport.get_write_buffer_size())
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._sending.is_writable = True
        self._hold_unread(0)
        self._send_later()
        if not self._is_ahead:
            self.go_on()

    # -- reading
    def go_on(self) -> None:
        """Read what the client sent ahead, then the connection."""
        self._is_ahead = False
        if not self._sending.is_writable or self.transport.is_closing():
            return
        if not self._is_closing:
            self._read(self._rest)
        if not self._is_ahead:
            self.transport.resume_reading()

    def _read(self, data: bytes) -> None:
        try:
            start = self._read_frames(data)
            self._keep(data[start:])
        except ConnectionFaultError as fault:
            self._fail(fault, refusals.malformed(fault.detail))
        except Exception as error:
            context = {"message": "a frame was not taken", "exception": error}
            self.front.loop.call_exception_handler(context)
            self._fail(ConnectionFaultError(INTERNAL_ERROR, "internal error"), None)
        if not self._is_answering:
            self.send()

    def _read_frames(self, data: bytes) -> int:
        """Take what is here of frames; up to where. Raises ConnectionFaultError."""
        start, end = 0, len(data)
        receive, count, last = self._session.receive, 0, self._streams.answered
        while end - start >= HEAD_BYTES:
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, start)
            if high or low > MIN_FRAME_BYTES:
                raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected frames of 16,384 bytes")
            stop = start + HEAD_BYTES + low
            if stop > end:
                break
            count += 1
            if (count > FRAMES_PER_LOOK or self._streams.answered > last) and count > 1:
                if not self.front.has_time():
                    self._wait()
                    break
                count, last = 1, self._streams.answered
            receive(kind, flags, stream_id & MAX_STREAM, data[start + HEAD_BYTES : stop])
            start = stop
        return start

    def _wait(self) -> None:
        """Let others have their turn."""
        self._is_ahead = True
        self.transport.pause_reading()
        self.front.go_on_later(self)

    def _keep(self, rest: bytes) -> None:
        """Keep what is not read yet: the beginning of a frame, or what came before its turn."""
        self._rest = rest
        size = len(rest) + len(self._session.block)
        if size or self._held.size:
            self._hold(size)
        # A body has a deadline of its own.
        is_cut = bool(self._session.block) or (bool(rest) and rest[3:4] != b"\0")
        is_cut = is_cut and not self._is_ahead
        if is_cut and not self._is_cut:
            self._cut_since = self.front.time
        self._is_cut = is_cut or not self._session.is_greeted

    def _hold(self, size: int) -> None:
        if not self._held.resize(size):
            self.transport.abort()

    def _hold_unread(self, size: int) -> None:
        if not self._unread.resize(size):
            self.transport.abort()

    # -- writing
    def _send_later(self) -> None:
        if not self._is_answering:
            self._is_answering = True
            self.front.send_later(self)

    def send(self) -> None:
        """Give the transport what is answered, and what waits for the client."""
        self._is_answering = False
        self.since = self.front.time
        sending, session = self._sending, self._session
        if self._drained_at is not None and session.knows_the_end:
            self._refuse_streams()
        while True:
            if sending.waiting:
                self._streams.pump()
            if not sending.out:
                break
            out, sending.out = sending.out, []
            self.transport.write(b"".join(out))
            if not sending.waiting:
                break
        if self._drained_at is not None and session.is_refusing:
            self._finish_if_done()

    # -- the end
    def _fail(self, fault: ConnectionFaultError, error: RequestError | None) -> None:
        """End the connection for a fault of the client."""
        if error is not None:
            self.front.record(error, self._streams.port)
        self._say_goaway(self._streams.last, fault.code, fault.detail)
        self._finish()

    def _say_goaway(self, last: int, code: int, detail: str = "") -> None:
        self._sending.out.append(frames.goaway(last, code, detail))

    def _finish(self) -> None:
        """Close, so that the client reads what was sent before."""
        self._is_closing = True
        self.since = self.front.time
        self._session.close()
        self._rest = b""
        self._hold(0)
        out, self._sending.out = self._sending.out, []
        self.transport.write(b"".join(out))
        end_half(self.transport)

    def _finish_if_done(self) -> None:
        if not self._streams.open and not self._is_answering and not self._is_closing:
            self._finish()

    def close_if_idle(self) -> None:
        """End the connection, as soon as it has no request."""
        if self._is_closing:
            self.transport.close()
        else:
            self._drain()

    def _drain(self) -> None:
        """Announce the end of the connection, then refuse what comes, then close."""
        now = self.front.loop.time()
        if self._drained_at is None:
            self._drained_at = now
            self._say_goaway(MAX_STREAM, NO_ERROR)
            self._sending.out.append(frames.frame(frames.PING, 0, 0, frames.LAST_PING))
        elif now - self._drained_at < DRAIN_SECONDS:
            return
        else:
            self._refuse_streams()
        if not self._is_answering:
            self.send()

    def _refuse_streams(self) -> None:
        """Say which request was the last."""
        if not self._session.is_refusing:
            self._session.is_refusing = True
            self._say_goaway(self._streams.last, NO_ERROR)

    def close_if_late(self, now: float, limits: Mapping[str, float]) -> None:
        """Close the connection if it has been in its state for longer than that allows."""
        if not self._sending.is_writable and now - self._unwritable_since > WRITE_SECONDS:
            self.transport.abort()
        elif self._is_closing:
            if now - self.since > limits["closing"]:
                self.transport.close()
        elif self._is_cut and now - self._cut_since > limits["head"]:
            fault = ConnectionFaultError(ENHANCE_YOUR_CALM, "expected the rest of a frame")
            self._fail(fault, refusals.slow_head(HEAD_SECONDS))
        else:
            self._streams.give_up(now - WRITE_SECONDS)
            is_idle = not self._streams.open and now - self.since > limits["idle"]
            if self.front.is_draining or is_idle or self._drained_at is not None:
                self._drain()
            elif self._sending.out and not self._is_answering:
                self.send()
