"""Frames of one connection -> its streams (RFC 9113, 5 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.front.http2 import frames, response
from app.front.http2.blocks import Blocks
from app.front.http2.budgets import (
    LARGE_HEAD,
    MAX_BLOCK_BYTES,
    MAX_BLOCK_FRAMES,
    resets,
)
from app.front.http2.control import Control
from app.front.http2.frames import (
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    HEADERS,
    INITIAL_WINDOW,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    ConnectionFaultError,
    StreamFaultError,
)
from app.front.http2.heads import is_trailer
from app.front.http2.streams import MAX_STREAMS, Streams
from app.front.memory import MAX_HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.front.http2.stream import Stream


# How much more than the largest body a client may send: it hears that its body is too large before
# it comes to the end of a window, so that nobody need count what is left of one.
BEYOND_BODY = 65_536
# Padding of a stream that is worth giving back.
PADDING_BYTES = 16_384


class Session:
    """What one connection receives."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._front = streams.front
        # Whether new streams are refused, because the connection ends.
        self.is_refusing = False
        self._blocks = Blocks(self._front.bounds)
        # A header block that goes on: its stream, flags, bytes and frames.
        self._block_stream = self._block_flags = self._block_frames = 0
        self.block = b""
        self._stream_credit = min(
            self._front.bounds.max_body_bytes + BEYOND_BODY, frames.MAX_WINDOW
        )
        self._credit = self._stream_credit
        self._resets = resets(self._front.time)
        self._control = control = Control(streams.sending, streams.open)
        self._others: dict[int, Callable[[int, int, bytes], None]] = {
            frames.CONTINUATION: self._continuation,
            frames.PRIORITY: control.priority,
            frames.RST_STREAM: self._rst_stream,
            frames.SETTINGS: control.settings,
            frames.PUSH_PROMISE: control.push_promise,
            frames.PING: control.ping,
            frames.GOAWAY: control.goaway,
            frames.WINDOW_UPDATE: self._window_update,
        }

    @property
    def is_greeted(self) -> bool:
        """Whether the client has begun."""
        return self._control.is_greeted

    @property
    def knows_the_end(self) -> bool:
        """Whether the client has read that the connection ends."""
        return self._control.knows_the_end

    def greet(self) -> None:
        """Say what this server takes."""
        values = {
            frames.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            frames.INITIAL_WINDOW_SIZE: self._stream_credit,
            frames.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
        }
        self._streams.sending.out.append(frames.settings(values))
        if self._credit > INITIAL_WINDOW:
            self._streams.sending.out.append(frames.window_update(0, self._credit - INITIAL_WINDOW))
        self._credit = max(self._credit, INITIAL_WINDOW)

    # -- receiving
    def receive(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a frame. Raises ConnectionFaultError."""
        if self._block_stream and (kind != frames.CONTINUATION or stream_id != self._block_stream):
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected CONTINUATION")
        if not self._control.is_greeted and kind != frames.SETTINGS:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected SETTINGS first")
        try:
            if kind == HEADERS:
                self._headers(flags, stream_id, payload)
            elif kind == DATA:
                self._data(flags, stream_id, payload)
            else:
                if kind != frames.CONTINUATION:
                    self._streams.chatter.spend(self._front.time)
                if kind in self._others:
                    self._others[kind](flags, stream_id, payload)
        except StreamFaultError as fault:
            self._streams.end_by_fault(fault)
        if self._streams.owed:
            owed, self._streams.owed = self._streams.owed, 0
            self._resets.spend(self._front.time, owed)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected HEADERS on an odd stream")
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        fault = None
        if flags & frames.WITH_PRIORITY:
            try:
                payload = frames.without_priority(stream_id, payload)
            except StreamFaultError as error:
                fault, payload = error, payload[frames.PRIORITY_BYTES :]
        if flags & frames.END_HEADERS:
            self._block_is_whole(stream_id, flags, payload)
        else:
            self._block_stream, self._block_flags, self._block_frames = stream_id, flags, 1
            self.block = payload
        if fault is not None:
            raise fault

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._block_stream:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected no CONTINUATION")
        self._block_frames += 1
        if self._block_frames > MAX_BLOCK_FRAMES:
            raise ConnectionFaultError(ENHANCE_YOUR_CALM, "too many frames of one header block")
        self.block += payload
        if len(self.block) > MAX_BLOCK_BYTES:
            raise ConnectionFaultError(ENHANCE_YOUR_CALM, "too many bytes of one header block")
        if flags & frames.END_HEADERS:
            block, self.block, self._block_stream = self.block, b"", 0
            self._block_is_whole(stream_id, self._block_flags, block)

    def _block_is_whole(self, stream_id: int, flags: int, block: bytes) -> None:
        is_ended = bool(flags & END_STREAM)
        if stream_id <= self._streams.last:
            self._trailer(stream_id, block, is_ended=is_ended)
            return
        self._streams.last = stream_id
        head = self._blocks.decode(block)
        if self.is_refusing or len(self._streams.open) >= MAX_STREAMS:
            self._streams.remember(stream_id, is_ended=is_ended)
            self._streams.reset(stream_id, REFUSED_STREAM)
            return
        stream = self._streams.add(stream_id, head)
        if head.refused is not None:
            stream.is_ended = is_ended
            self._streams.owed += LARGE_HEAD if head.refused.status == 431 else 0
            stream.refuse(head.refused)
        elif is_ended:
            stream.end()
        else:
            stream.begin()
            if "expect" in head.headers and not stream.is_answered:
                self._streams.sending.head(stream, response.CONTINUE, 0)

    def _trailer(self, stream_id: int, block: bytes, *, is_ended: bool) -> None:
        """Fields after a body, which nothing reads."""
        fields = self._blocks.fields(block)
        stream = self._streams.open.get(stream_id)
        if stream is None:
            if stream_id not in self._streams.over:
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected HEADERS on a new stream")
            if self._streams.over[stream_id]:
                raise ConnectionFaultError(STREAM_CLOSED, "expected HEADERS on a new stream")
            self._streams.chatter.spend(self._front.time)
        elif stream.is_ended:
            raise StreamFaultError(stream_id, STREAM_CLOSED, "expected nothing after the end")
        elif not (is_ended and is_trailer(fields)):
            raise StreamFaultError(stream_id, PROTOCOL_ERROR, "expected a trailer, and the end")
        else:
            stream.end()

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._credit -= size
        if self._credit < self._stream_credit // 2:
            self._refill()
        stream = self._streams.open.get(stream_id)
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        if stream is None:
            self._late_data(stream_id)
            return
        if stream.is_ended:
            raise StreamFaultError(stream_id, STREAM_CLOSED, "expected nothing after the end")
        if size != len(payload):
            self._give_back_padding(stream, size - len(payload))
        is_ended = bool(flags & END_STREAM)
        stream.is_ended = is_ended
        if payload:
            stream.take(payload)
        elif not is_ended:
            self._streams.chatter.spend(self._front.time)
        if is_ended:
            stream.end()

    def _late_data(self, stream_id: int) -> None:
        """DATA on a stream that is over: nothing, if it was on its way when that was answered."""
        if not stream_id & 1 or stream_id > self._streams.last:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected DATA on an open stream")
        if self._streams.over.get(stream_id, True):
            raise ConnectionFaultError(STREAM_CLOSED, "expected DATA on an open stream")
        self._streams.chatter.spend(self._front.time)

    def _refill(self) -> None:
        """Let the client send on: bodies are bounded one by one and by the memory of all."""
        more = self._stream_credit - self._credit
        self._streams.sending.out.append(frames.window_update(0, more))
        self._credit += more

    def _give_back_padding(self, stream: Stream, size: int) -> None:
        """Padding is no body: the window is meant for that."""
        stream.padding += size
        if stream.padding >= PADDING_BYTES:
            self._streams.sending.out.append(frames.window_update(stream.id, stream.padding))
            stream.padding = 0

    def _rst_stream(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._verify_used(stream_id)
        if len(payload) != frames.NUMBER.size:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected a RST_STREAM of 4 bytes")
        stream = self._streams.open.get(stream_id)
        if stream is not None:
            stream.is_ended = True
            self._streams.end(stream)
            self._resets.spend(self._front.time)

    def _window_update(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            self._verify_used(stream_id)
        self._control.window_update(stream_id, payload)

    def _verify_used(self, stream_id: int) -> None:
        if not stream_id & 1 or stream_id > self._streams.last:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected a stream that was opened")

    def close(self) -> None:
        """Nothing is waited for, and nothing held, any more."""
        self._streams.close()
        self._blocks.close()
        self.block = b""
