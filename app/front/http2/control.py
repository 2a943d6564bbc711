"""Frames about a connection or about windows: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, GOAWAY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.front.http2 import frames
from app.front.http2.frames import (
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    MAX_WINDOW,
    NUMBER,
    PROTOCOL_ERROR,
    SETTING,
    ConnectionFaultError,
    StreamFaultError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.front.http2.sending import Sending, Sent


class Control:
    """What a client says of itself and of what it takes."""

    __slots__ = ("_sending", "_streams", "is_greeted", "knows_the_end")

    def __init__(self, sending: Sending, streams: Mapping[int, Sent]) -> None:
        self._sending = sending
        self._streams = streams
        # Whether the client has sent its SETTINGS, with which it begins.
        self.is_greeted = False
        # Whether it has read that the connection ends.
        self.knows_the_end = False

    def settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """SETTINGS: take them, and say so. Raises ConnectionFaultError."""
        if stream_id:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected SETTINGS without a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected nothing in an ACK")
            if not self.is_greeted:
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected SETTINGS first")
            return
        if len(payload) % SETTING.size:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected settings of 6 bytes")
        self.is_greeted = True
        for name, value in SETTING.iter_unpack(payload):
            self._set(name, value)
        self._sending.out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _set(self, name: int, value: int) -> None:
        sending = self._sending
        if name == frames.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise ConnectionFaultError(FLOW_CONTROL_ERROR, "expected a smaller window")
            more, sending.initial = value - sending.initial, value
            for stream in self._streams.values():
                stream.window += more
                if stream.window > MAX_WINDOW:
                    raise ConnectionFaultError(FLOW_CONTROL_ERROR, "expected smaller windows")
        elif name == frames.MAX_FRAME_SIZE:
            if not frames.MIN_FRAME_BYTES <= value <= frames.MAX_FRAME_BYTES:
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected another size of frames")
            # Larger ones would only keep the other streams waiting.
        elif name == frames.ENABLE_PUSH:
            if value > 1:
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected 0 or 1 for push")
        elif name == frames.HEADER_TABLE_SIZE:
            sending.resize_table(value)

    def ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        """PING: echo it. Raises ConnectionFaultError."""
        if stream_id:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected PING without a stream")
        if len(payload) != frames.PING_BYTES:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected a PING of 8 bytes")
        if not flags & frames.ACK:
            self._sending.out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == frames.LAST_PING:
            self.knows_the_end = True

    def priority(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """PRIORITY, which means nothing any more. Raises ConnectionFaultError, StreamFaultError."""
        if not stream_id:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected PRIORITY on a stream")
        if len(payload) != frames.PRIORITY_BYTES:
            raise StreamFaultError(stream_id, FRAME_SIZE_ERROR, "expected PRIORITY of 5 bytes")
        frames.verify_priority(stream_id, payload)

    def window_update(self, stream_id: int, payload: bytes) -> None:
        """WINDOW_UPDATE of an open stream or of all. Raises ConnectionFaultError or of a stream."""
        if len(payload) != NUMBER.size:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected a WINDOW_UPDATE of 4 bytes")
        size = NUMBER.unpack(payload)[0] & MAX_WINDOW
        if not stream_id:
            if not size:
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected a WINDOW_UPDATE above 0")
            self._sending.widen(size)
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not size:
            raise StreamFaultError(stream_id, PROTOCOL_ERROR, "expected a WINDOW_UPDATE above 0")
        stream.window += size
        if stream.window > MAX_WINDOW:
            raise StreamFaultError(stream_id, FLOW_CONTROL_ERROR, "expected a smaller window")

    def goaway(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """GOAWAY: the client asks for nothing more, which it also shows. ConnectionFaultError."""
        if stream_id:
            raise ConnectionFaultError(PROTOCOL_ERROR, "expected GOAWAY without a stream")
        if len(payload) < 2 * NUMBER.size:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "expected a GOAWAY of 8 bytes or more")

    @staticmethod
    def push_promise(_flags: int, _stream_id: int, _payload: bytes) -> None:
        """PUSH_PROMISE is the server's alone. Raises ConnectionFaultError."""
        raise ConnectionFaultError(PROTOCOL_ERROR, "expected no PUSH_PROMISE")
