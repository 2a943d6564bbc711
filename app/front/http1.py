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
        self._parser: Any = None
        self._head = Head()
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
        self.since = self.front.now()
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
        self._take(self.front.buffer, size)

    def eof_received(self) -> bool:
        """Called by asyncio: the client sends nothing more, but may still read."""
        return self.state == WORK

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read."""
        self._is_writable = False
        self.since = self.front.now()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._is_writable = True
        self.since = self.front.now()
        if self.state != WORK:
            self._go_on()

    # -- reading
    def _take(self, data: bytes | bytearray, end: int) -> None:
        """Read on, until a request is complete or nothing is left."""
        start = 0
        while start < end:
            if self.state == WORK or not self._is_writable:
                self._ahead = bytes(data[start:end])
                self.transport.pause_reading()
                return
            if self.state == CLOSING:
                return
            stop = self._piece(data, start, end)
            piece = bytes(data[start:stop])
            start = stop
            self._feed(piece)

    def _piece(self, data: bytes | bytearray, start: int, end: int) -> int:
        """Where the next piece ends: with the head, the body, or anything that may be its end."""
        if self._body_left:
            return min(end, start + self._body_left)
        if self._last:
            # The blank line may have begun before.
            seam = self._last + bytes(data[start : start + 3])
            found = seam.find(END_OF_HEAD)
            if found >= 0:
                return start + found + 4 - len(self._last)
        found = data.find(END_OF_HEAD, start, end)
        return end if found < 0 else found + 4

    def _feed(self, piece: bytes) -> None:
        if self.state == IDLE:
            self.state, self.since = HEAD, self.front.now()
        if self.state == HEAD:
            self._head_bytes += len(piece)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(too_large(f"expected at most {MAX_HEAD_BYTES} bytes"))
                return
        if self._body_left:
            self._body_left -= len(piece)
        else:
            self._last = piece[-3:] if not piece.endswith(END_OF_HEAD) else b""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._read_without_upgrade()
        except httptools.HttpParserInvalidMethodError:
            self._refuse(RequestError(501, "method", "Not implemented", "unknown method"))
            return
        except httptools.HttpParserError as error:
            reason = error.__context__
            known = isinstance(reason, RequestError)
            self._refuse(reason if known else malformed(str(error)))
            return
        if self._is_complete:
            self._is_complete = False
            self._finish()

    def _read_without_upgrade(self) -> None:
        """Read the same head again without its offer to speak another protocol (RFC 9110, 7.8).

        llhttp takes what follows for the other protocol; here it is the body.
        """
        head = self._head
        self._is_complete = False
        self._parser = httptools.HttpRequestParser(self)
        kept = (
            f"{name}: {text}\r\n"
            for name, text in head.headers.items()
            if name not in ("upgrade", "http2-settings")
        )
        line = f"{head.method} ".encode() + head.target + f" HTTP/{head.version}\r\n".encode()
        self._parser.feed_data(line + "".join(kept).encode("latin-1") + b"\r\n")

    # -- llhttp's callbacks
    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._head = Head()

    def on_url(self, piece: bytes) -> None:
        """Called by the parser."""
        self._head.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; of the trailer after a body as well, which nothing reads."""
        if self.state == BODY:
            return
        self._head.add(name, value)
        if self._head.count > MAX_FIELDS:
            raise too_large(f"expected at most {MAX_FIELDS} fields")

    def on_headers_complete(self) -> None:
        """Called by the parser: decide about the request before its body is read."""
        head, parser = self._head, self._parser
        head.method = parser.get_method().decode()
        head.version = parser.get_http_version()
        self._head_bytes = 0
        if parser.should_upgrade() and "upgrade" in head.headers:
            if "websocket" in head.headers["upgrade"].lower():
                head.verify()
            return
        self.state = BODY
        head.verify()
        length = int(head.headers.get("content-length") or 0)
        limit = self.front.max_body_bytes
        if length > limit:
            raise self.front.body_too_large_error()
        self._body_left = length
        timeout_ms = self.front.max_timeout_ms
        try:
            self._deadline = parse_deadline(head.headers.get("x-request-timeout-ms"), timeout_ms)
        except RequestError as error:
            self._deadline, self._refused = Deadline(timeout_ms), error
        if length or "transfer-encoding" in head.headers:
            self.front.receiving.add(self)
            if "expect" in head.headers and head.version != "1.0":
                self.transport.write(response.CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """Called by the parser."""
        size = len(piece)
        if self._held + size > self.front.max_body_bytes:
            raise self.front.body_too_large_error()
        if not self.front.memory.take(size):
            raise self.front.memory_error()
        self._held += size
        self._parts.append(piece)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._is_complete = True

    # -- a request and its response
    def _finish(self) -> None:
        """The request is complete: hand it to the front."""
        self._keep_alive = self._parser.should_keep_alive() and not self.front.is_draining
        self.front.receiving.discard(self)
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._send_on(body)

    def _send_on(self, body: bytes) -> None:
        head = self._head
        self.state, self.since = WORK, self.front.now()
        timeout_ms = self.front.max_timeout_ms
        path = query = ""
        refused = self._refused
        try:
            path, query = head.split_target()
        except RequestError as error:
            refused = refused or error
        self.request = Request(
            head.method, path, self.port, head.headers, lambda: body,
            self._deadline or Deadline(timeout_ms), query, refused=refused,
        )  # fmt: skip
        self.front.handle(self, self.request)

    def _refuse(self, error: RequestError) -> None:
        """Answer what is no request, or none that is read to its end, and close."""
        self._refused, self._keep_alive = error, False
        self._head.method = self._head.method or "GET"
        self._send_on(b"")

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
        method = self._head.method
        data = response.encode(reply, keep_alive=self._keep_alive, with_body=method != "HEAD")
        self.front.write(self, data)

    def sent(self) -> None:
        """The response is with the transport."""
        self._forget()
        if self._keep_alive:
            self.state, self.since = IDLE, self.front.now()
            self._go_on()
            return
        self.state, self.since = CLOSING, self.front.now()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()

    def _forget(self) -> None:
        """Drop what was kept of the request."""
        self.front.receiving.discard(self)
        self.front.memory.release(self._held)
        self._held = self._body_left = self._head_bytes = 0
        self._parts = []
        self.request = self._refused = self._deadline = None
        self._last = b""

    def _go_on(self) -> None:
        """Read what the client sent ahead, then the connection."""
        if not self._is_writable or self.transport.is_closing():
            return
        ahead, self._ahead = self._ahead, b""
        if ahead:
            self._take(ahead, len(ahead))
        if not self._ahead and self.state != WORK:
            self.transport.resume_reading()
