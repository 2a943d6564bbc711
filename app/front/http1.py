"""HTTP/1.1 on one connection: bytes in, requests to the front, responses out.

llhttp reads the bytes, by pieces that end where a message may end. So at most one request is read at
a time, and what a client sends ahead waits unread in a buffer that does not grow.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import httptools

from app.admission import Deadline, parse_deadline
from app.errors import RequestError
from app.front import response
from app.front.head import Head, malformed, too_large
from app.front.memory import MAX_FIELDS, MAX_HEAD_BYTES, WRITE_BUFFER_BYTES, WRITE_SECONDS
from app.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.front.front import Front
    from app.responses import Reply

END_OF_HEAD = b"\r\n\r\n"
# A head that has come in small pieces is searched for its end by as much at a time.
MAX_PIECE_BYTES = 16_384
# The usual methods, decoded.
METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD", b"OPTIONS": "OPTIONS"}
# The states of a connection, and since when, are what its time limits look at.
IDLE, HEAD, BODY, WORK, CLOSING = "idle", "head", "body", "work", "closing"


class SentAheadError(Exception):
    """A client has sent more than one request at once."""


class Http1(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.state, self.since = IDLE, 0.0
        self.transport: Any = None
        self.port = 0
        self.request: Request | None = None
        self._parser: Any = None
        self._head: Head | None = None
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._last = b""
        self._parts: list[bytes] = []
        self._held = 0
        self._body_left = 0
        self._is_complete = False
        self._deadline: Deadline | None = None
        self._refused: RequestError | None = None
        self._keep_alive = True
        self._ahead = b""
        self._is_writable = True
        # Its prediction, if it is in the thread or waits for it.
        self.work: Any = None

    # -- asyncio
    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.since = self.front.time
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        if not self.front.add(self):
            self._keep_alive = False
            self._refuse(self.front.too_many_error())
            return
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by asyncio."""
        self.front.discard(self)
        if self.work is not None:
            self.work.cancel()
        self._forget()
        # The parser knows this object's methods: without it there is no cycle.
        self._parser = None
        self._ahead = b""

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Called by asyncio: every connection reads into the same buffer."""
        return self.front.view

    def buffer_updated(self, size: int) -> None:
        """Called by asyncio."""
        if self.state == CLOSING:
            # Read and drop: a close with unread bytes would reset the connection, and the client
            # would not see the response.
            return
        if self.state == WORK:
            self._ahead += bytes(self.front.view[:size])
            self.transport.pause_reading()
            return
        self._take(self.front.view[:size])

    def eof_received(self) -> None:
        """Called by asyncio: the client is gone, and what it waits for is dropped."""

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read."""
        self._is_writable = False
        self.since = self.front.time
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._is_writable = True
        self.since = self.front.time
        if self.state != WORK:
            self._go_on()

    # -- reading
    def _take(self, data: memoryview) -> None:
        """Read on, until a request is complete or nothing is left."""
        if self.state == IDLE and self._read_whole(data):
            return
        start, end = 0, len(data)
        while start < end:
            if self.state == WORK or not self._is_writable:
                self._ahead = bytes(data[start:])
                self.transport.pause_reading()
                break
            if self.state == CLOSING:
                break
            piece = bytes(data[start : start + self._piece_size(data, start)])
            start += len(piece)
            self._feed(piece)
        self._watch_body()

    def _read_whole(self, data: memoryview) -> bool:
        """Read at most one request that begins here, as nearly all do; False if there are more.

        Then nothing has been read: the parser is new.
        """
        try:
            self._feed(data)
        except SentAheadError:
            self._forget()
            self.state, self._is_complete = IDLE, False
            self._parser = httptools.HttpRequestParser(self)
            return False
        self._watch_body()
        return True

    def _watch_body(self) -> None:
        """Limit the time of a body that has not arrived with its head."""
        if self.state == BODY:
            self.front.receiving.add(self)
        elif self.front.receiving:
            self.front.receiving.discard(self)

    def _piece_size(self, data: memoryview, start: int) -> int:
        """How much to read next: up to the end of the head, the body, or what may be its end."""
        size = len(data) - start
        if self._body_left:
            return min(size, self._body_left)
        # The blank line may have begun before.
        seam = self._last + bytes(data[start : start + MAX_PIECE_BYTES])
        found = seam.find(END_OF_HEAD)
        if found < 0:
            return min(size, MAX_PIECE_BYTES)
        return found + len(END_OF_HEAD) - len(self._last)

    def _feed(self, piece: bytes | memoryview) -> None:
        if self.state == IDLE:
            self.state, self.since = HEAD, self.front.time
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._read_without_upgrade()
            return
        except httptools.HttpParserError as error:
            self._refuse_for(error)
            return
        if self._is_complete:
            self._is_complete = False
            if self.front.is_draining:
                self._keep_alive = False
            parts = self._parts
            self._last = b""
            self._hand_on(parts[0] if len(parts) == 1 else b"".join(parts))
            return
        if not self._body_left:
            self._last = bytes(piece[-3:])
        if self.state == HEAD:
            self._head_bytes += len(piece)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(too_large(f"expected at most {MAX_HEAD_BYTES} bytes"))

    def _refuse_for(self, error: httptools.HttpParserError) -> None:
        """Refuse what llhttp, or one of its callbacks here, does not take."""
        reason = error.__context__
        if isinstance(reason, SentAheadError):
            raise reason
        if isinstance(reason, RequestError):
            self._refuse(reason)
        else:
            self._refuse(malformed(str(error)))

    def _read_without_upgrade(self) -> None:
        """Read the same head again without its offer to speak another protocol (RFC 9110, 7.8).

        llhttp takes what follows for the other protocol; here it is the body.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version()
        kept = b"".join(
            b"%b: %b\r\n" % field for field in self._fields if field[0].lower() != b"upgrade"
        )
        self._is_complete = False
        self._parser = httptools.HttpRequestParser(self)
        line = b"%b %b HTTP/%b\r\n" % (method, self._target, version.encode())
        self._feed(line + kept + b"\r\n")

    # -- llhttp's callbacks
    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._is_complete:
            raise SentAheadError
        self._target = b""
        self._fields = []

    def on_url(self, piece: bytes) -> None:
        """Called by the parser."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; after a body for its trailer as well, which nothing reads."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser: decide about the request before its body is read."""
        parser, front = self._parser, self.front
        if len(self._fields) > MAX_FIELDS:
            raise too_large(f"expected at most {MAX_FIELDS} fields")
        method = METHODS.get(parser.get_method()) or parser.get_method().decode()
        self._head = head = Head.read(
            method, self._target, parser.get_http_version(), self._fields
        )
        if parser.should_upgrade():
            return
        # After the message llhttp has forgotten it.
        self._keep_alive = parser.should_keep_alive()
        self.state, self._head_bytes = BODY, 0
        headers = head.headers
        length = int(headers.get("content-length") or 0)
        if length > front.max_body_bytes:
            raise front.body_too_large_error()
        self._body_left = length
        try:
            self._deadline = parse_deadline(
                headers.get("x-request-timeout-ms"), front.max_timeout_ms
            )
        except RequestError as error:
            self._deadline, self._refused = Deadline(front.max_timeout_ms), error
        if "expect" in headers and head.version != "1.0":
            self.transport.write(response.CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """Called by the parser."""
        size = len(piece)
        if self._held + size > self.front.max_body_bytes:
            raise self.front.body_too_large_error()
        if not self.front.memory.take(size):
            raise self.front.memory_error()
        self._held += size
        if self._body_left:
            self._body_left -= size
        self._parts.append(piece)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._is_complete = True

    # -- a request and its response
    def _hand_on(self, body: bytes) -> None:
        """Hand the request to the front."""
        head, front = self._head, self.front
        self.state = WORK
        headers: dict[str, str] = {}
        method, path, query, refused = "GET", "", "", self._refused
        if head is not None:
            method, headers = head.method, head.headers
            known = front.paths.get(head.target)
            if known is None:
                try:
                    path, query = head.split_target()
                except RequestError as error:
                    refused = refused or error
            else:
                path = known
        deadline = self._deadline or Deadline(front.max_timeout_ms)
        self.request = request = Request(
            method, path, self.port, headers, body, deadline, query, refused=refused
        )
        front.handle(self, request)

    def _refuse(self, error: RequestError) -> None:
        """Answer what is no request, or none that is read to its end, and close."""
        self._refused, self._keep_alive = error, False
        self._hand_on(b"")

    def is_overdue(self) -> bool:
        """Whether the body should have arrived by now."""
        return self._deadline is not None and self._deadline.remaining_seconds() < 0

    def close_if_late(self, now: float, limits: Mapping[str, float]) -> None:
        """Close the connection if it has been in its state for longer than that allows."""
        if not self._is_writable and now - self.since > WRITE_SECONDS:
            self.transport.abort()
        elif now - self.since > limits.get(self.state, math.inf):
            if self.state == HEAD:
                self._refuse(self.front.slow_head_error())
            else:
                self.transport.close()

    def time_out(self) -> None:
        """The rest of the body is late."""
        assert self._deadline is not None  # noqa: S101 - set with the head
        self._refuse(self.front.slow_error(self._deadline.timeout_ms))

    def reply(self, reply: Reply) -> None:
        """Send a response, and read the next request."""
        if self.transport.is_closing():
            return
        with_body = self.request is None or self.request.method != "HEAD"
        data = response.encode(reply, keep_alive=self._keep_alive, with_body=with_body)
        self.front.write(self, data)

    def sent(self) -> None:
        """The response is with the transport."""
        self._forget()
        if self._keep_alive:
            self.state, self.since = IDLE, self.front.time
            if self._ahead:
                self._go_on()
            return
        self.state, self.since = CLOSING, self.front.time
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()

    def _forget(self) -> None:
        """Drop what was kept of the request."""
        if self._held:
            self.front.memory.release(self._held)
            self._held = 0
        self._body_left = self._head_bytes = 0
        self._parts = []
        self.request = self._refused = self._deadline = self._head = None
        self._last = b""

    def _go_on(self) -> None:
        """Read what the client sent ahead, then the connection."""
        if not self._is_writable or self.transport.is_closing():
            return
        ahead, self._ahead = self._ahead, b""
        if ahead:
            self._take(memoryview(ahead))
        if not self._ahead and self.state != WORK:
            self.transport.resume_reading()
