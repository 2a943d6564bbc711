"""HTTP/1.1 on one connection: bytes in, requests to the front, responses out.

At most one request is read at a time; what a client sends ahead waits unread in a buffer that does
not grow.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from app.admission import Deadline
from app.errors import RequestError
from app.front import refusals, response
from app.front.connection import end_half
from app.front.head import split_target
from app.front.http2.connection import Http2
from app.front.http2.frames import PREFACE
from app.front.memory import (
    HEAD_SECONDS,
    MAX_CONNECTIONS,
    WRITE_BUFFER_BYTES,
    WRITE_SECONDS,
    Share,
)
from app.front.reading import Reading
from app.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from app.front.front import Front
    from app.responses import Reply

# The states of a connection, and since when, are what its time limits look at.
IDLE, HEAD, BODY, WORK, CLOSING = "idle", "head", "body", "work", "closing"


class Http1(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.state, self.since = IDLE, 0.0
        self.transport: Any = None
        self.port = 0
        self.request: Request | None = None
        # Its prediction, if it is in the thread or waits for it.
        self.work: Future[Any] | None = None
        self._reading = Reading(front.bounds)
        # Nothing is read yet, so that it may be HTTP/2.
        self._is_fresh = True
        self._response = b""
        self._keep_alive = True
        self._ahead = b""
        # Of the memory: what came ahead, and what the client does not read.
        self._ahead_share, self._unread = Share(front.bounds.memory), Share(front.bounds.memory)
        self._is_writable = True

    # -- asyncio
    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.since = self.front.time
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        if not self.front.add(self):
            self._refuse(refusals.too_many_connections(MAX_CONNECTIONS))

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by asyncio."""
        self.front.discard(self)
        self.front.receiving.discard(self)
        if self.work is not None:
            self.work.cancel()
        self.request = None
        self._reading.close()
        self._hold_unread(0)
        self._set_ahead(b"")

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Called by asyncio: every connection reads into the same buffer."""
        return self.front.view

    def buffer_updated(self, size: int) -> None:
        """Called by asyncio."""
        if self.state == CLOSING:
            # Read and drop: a close with unread bytes would reset the connection, and the client
            # would not see the response.
            return
        data = self.front.view[:size]
        if self._is_fresh and not (data := self._without_preface(data)):
            return
        if self.state == WORK:
            self._read_ahead(self._ahead + bytes(data))
            return
        self._take(data)

    def eof_received(self) -> None:
        """Called by asyncio: the client is gone, and what it waits for is dropped."""

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read."""
        self._is_writable = False
        self.since = self.front.time
        self._hold_unread(self.transport.get_write_buffer_size())
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._is_writable = True
        self.since = self.front.time
        self._hold_unread(0)
        if self.state != WORK:
            self.go_on()

    # -- reading
    def _without_preface(self, data: memoryview) -> memoryview:
        """What is read first; nothing if it is, or may become, what HTTP/2 begins with."""
        if self._ahead or data[:1] == PREFACE[:1]:
            data = memoryview(self._ahead + bytes(data))
            begun = min(len(data), len(PREFACE))
            self._set_ahead(b"")
            if data[:begun] == PREFACE[:begun]:
                if begun == len(PREFACE):
                    self._hand_over(data[begun:])
                else:
                    self._set_ahead(bytes(data))
                    if self.state == IDLE:
                        self.state, self.since = HEAD, self.front.time
                return data[:0]
            self.state = IDLE
        self._is_fresh = False
        return data

    def _hand_over(self, data: memoryview) -> None:
        """The client speaks HTTP/2."""
        self._reading.close()
        connection = Http2(self.front, self.transport)
        self.front.replace(self, connection)
        self.transport.set_protocol(connection)
        connection.begin(bytes(data))

    def _take(self, data: memoryview) -> None:
        """Read on, until a request is complete or nothing is left."""
        reading = self._reading
        try:
            used = reading.feed(data)
        except RequestError as error:
            self._refuse(error)
            return
        except Exception as error:
            self._refuse(error)
            return
        if reading.is_complete:
            self._keep_alive = reading.keep_alive and not self.front.is_draining
            self.front.receiving.discard(self)
            if used < len(data):
                self._read_ahead(bytes(data[used:]))
            self._hand_on(reading.refused)
            return
        if reading.head is not None:
            self.state = BODY
            if self not in self.front.receiving:
                self.front.receiving.add(self)
                if reading.awaits_continue:
                    self.transport.write(response.CONTINUE)
        elif reading.is_started and self.state == IDLE:
            self.state, self.since = HEAD, self.front.time

    def _read_ahead(self, data: bytes) -> None:
        """Keep what came before its turn, and no more of it."""
        self.transport.pause_reading()
        self._set_ahead(data)

    def _set_ahead(self, data: bytes) -> None:
        if self._ahead_share.resize(len(data)):
            self._ahead = data
        else:
            self.transport.abort()

    def _hold_unread(self, size: int) -> None:
        if not self._unread.resize(size):
            self.transport.abort()

    # -- a request and its response
    def _hand_on(self, refused: Exception | None) -> None:
        """Hand the request to the front."""
        front, reading = self.front, self._reading
        head, method, path, query = reading.head, "", "", ""
        headers: Mapping[str, str] = {}
        self.state = WORK
        if head is not None:
            method, headers = head.method, head.headers
            known = front.paths.get(head.target)
            if known is None:
                try:
                    path, query = split_target(head.target)
                except RequestError as error:
                    refused = refused or error
            else:
                path = known
        deadline = reading.deadline or Deadline(front.bounds.max_timeout_ms)
        self.request = request = Request(
            method, path, self.port, headers, reading.body, deadline, query, refused=refused
        )
        front.handle(self, request)

    def _refuse(self, error: Exception) -> None:
        """Answer what is no request, or none that is read to its end, and close."""
        self._keep_alive = self._is_fresh = False
        self.front.receiving.discard(self)
        self._reading.drop_body()
        self._hand_on(error)

    def reply(self, reply: Reply) -> None:
        """Send a response, and read the next request."""
        if self.transport.is_closing():
            return
        head = self._reading.head
        connection = ""
        if not self._keep_alive:
            connection = "close"
        elif head is not None and head.version == "1.0":
            connection = "keep-alive"
        with_body = head is None or head.method != "HEAD"
        self._response = response.encode(reply, connection, with_body=with_body)
        self.front.send_later(self)

    def send(self) -> None:
        """Give the transport the response."""
        self.transport.write(self._response)
        self._response = b""
        self.request = None
        self._reading.reset()
        self.since = self.front.time
        if self._keep_alive:
            if self._ahead:
                self.front.go_on_later(self)
                return
            self.state = IDLE
            if not self.transport.is_reading():
                self.go_on()
            return
        self.state = CLOSING
        self._set_ahead(b"")
        end_half(self.transport)

    def go_on(self) -> None:
        """Read what the client sent ahead, then the connection."""
        if self.state == WORK:
            self.state = IDLE
        if not self._is_writable or self.transport.is_closing():
            return
        ahead = self._ahead
        if ahead:
            self._set_ahead(b"")
            self._take(memoryview(ahead))
        if not self._ahead:
            self.transport.resume_reading()

    # -- time
    def close_if_idle(self) -> None:
        """Close the connection if it has no request."""
        if self.state in (IDLE, CLOSING):
            self.transport.close()

    def close_if_late(self, now: float, limits: Mapping[str, float]) -> None:
        """Close the connection if it has been in its state for longer than that allows."""
        if not self._is_writable and now - self.since > WRITE_SECONDS:
            self.transport.abort()
        elif now - self.since > limits.get(self.state, math.inf):
            if self.state == HEAD:
                self._refuse(refusals.slow_head(HEAD_SECONDS))
            else:
                self.transport.close()

    def time_out_body(self) -> None:
        """Refuse the request if the rest of its body is late."""
        deadline = self._reading.deadline
        if deadline is not None and deadline.remaining_seconds() < 0:
            self._refuse(refusals.slow_body(deadline.timeout_ms))
