"""Bytes of one connection -> its requests, one at a time. No input or output of its own.

llhttp reads the bytes. Nearly always what arrives is one request, which is read in one call; what
holds more is read again by pieces that end where a message may end, so that a request is answered
before the next one is looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httptools

from app.admission import Deadline, parse_deadline
from app.errors import RequestError
from app.front.body import Body
from app.front.head import Head
from app.front.memory import MAX_FIELDS, MAX_HEAD_BYTES
from app.front.refusals import body_too_large, head_too_large, malformed, not_implemented

if TYPE_CHECKING:
    from app.front.memory import Bounds

END_OF_HEAD = b"\r\n\r\n"
# A head that has come in small pieces is searched for its end by as much at a time.
MAX_PIECE_BYTES = 16_384
# What looks like a method and is none.
METHOD = re.compile(rb"[A-Za-z-]+ /")
# Clients repeat the head of their last request, byte by byte: one that is no longer is remembered.
MAX_REMEMBERED_BYTES = 1024
# The usual methods, decoded.
METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD", b"OPTIONS": "OPTIONS"}


class SentAheadError(Exception):
    """A client has sent more than one request at once, or something after one."""


class Reading:
    """The requests of one connection: `feed` bytes until `is_complete`, then `reset`.

    `head` is None until it is read whole and is one.
    """

    __slots__ = (
        "_body", "_body_left", "_bounds", "_fields", "_last", "_parser", "_remembered", "_silent",
        "_target", "deadline", "head", "is_complete", "is_started", "keep_alive", "refused",
    )  # fmt: skip

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._body = Body(bounds)
        self.keep_alive = True
        # The bytes of a head, what they say, and the length of the body.
        self._remembered: tuple[bytes, Head, int] | None = None
        self.reset()
        self._parser: Any = httptools.HttpRequestParser(self)

    def reset(self) -> None:
        """Forget the request, and release what it held."""
        self._body.drop()
        self._body_left = self._silent = 0
        self._target = self._last = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self.head: Head | None = None
        self.deadline: Deadline | None = None
        # The error of a request that is read to its end all the same: its connection lives on.
        self.refused: RequestError | None = None
        self.is_started = self.is_complete = False

    def drop_body(self) -> None:
        """Release what is held: the request is refused."""
        self._body.drop()

    def close(self) -> None:
        """Release everything. The parser knows this object's methods: without it, no cycle."""
        self.reset()
        self._parser = None

    @property
    def body(self) -> bytes:
        """The body, as far as it is read."""
        return self._body.data

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits for a go-ahead before it sends the body (RFC 9110, 10.1.1)."""
        head = self.head
        return (
            head is not None
            and "expect" in head.headers
            and head.version == "1.1"
            and not self._body
            and not self.is_complete
        )

    def feed(self, data: memoryview) -> int:
        """Read on, at most to the end of one request; how many bytes were used.

        Raises RequestError for a request after which nothing can be read any more.
        """
        if not self._silent and self.head is None:
            if self._repeat(data):
                return len(data)
            try:
                self._feed(data)
            except SentAheadError:
                self.reset()
                self._parser = httptools.HttpRequestParser(self)
            else:
                self._remember(data)
                return len(data)
        start, end = 0, len(data)
        try:
            while start < end and not self.is_complete:
                piece = bytes(data[start : start + self._piece_size(data, start)])
                start += len(piece)
                self._feed(piece)
        except SentAheadError:
            raise malformed("expected CRLF at the end of each line") from None
        return start

    def _repeat(self, data: memoryview) -> bool:
        """Take one whole request that has the head of the last one; whether it is one.

        What the parser said of these bytes it would say again.
        """
        if self._remembered is None:
            return False
        raw, head, length = self._remembered
        size = len(raw)
        if len(data) != size + length or bytes(data[:size]) != raw:
            return False
        self._body.add(bytes(data[size:]))
        self.head = head
        self.deadline = self._read_deadline(head.headers)
        self.is_started = self.is_complete = True
        return True

    def _remember(self, data: memoryview) -> None:
        """Remember the head of one whole request."""
        head, size = self.head, len(data) - len(self._body)
        if not self.is_complete or head is None or size > MAX_REMEMBERED_BYTES:
            return
        if self.refused or not self.keep_alive:
            return
        raw = bytes(data[:size])
        # Elsewhere what is around the message was read with it, such as empty lines.
        if raw.find(END_OF_HEAD) + len(END_OF_HEAD) == size:
            self._remembered = (raw, head, len(self._body))

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
        size = len(piece)
        # Head, chunk extensions and trailers cost memory, or time, without bringing a body nearer.
        self._silent += size
        read = self._parse(piece)
        if read < size:
            self._feed(piece[read:])
            return
        if self.is_complete:
            return
        if self._silent > MAX_HEAD_BYTES:
            raise head_too_large(f"expected at most {MAX_HEAD_BYTES} bytes")
        if self.head is None:
            self._body.hold(size)
        self._last = b"" if self._body_left else (self._last + bytes(piece[-3:]))[-3:]

    def _parse(self, piece: bytes | memoryview) -> int:
        """Have llhttp read a piece; how much of it was read."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # llhttp says where it stopped.
            read: int = upgrade.args[0]
        except httptools.HttpParserError as error:
            if self.is_complete:
                # What is wrong came after the request, which is to be answered first.
                raise SentAheadError from error
            if isinstance(error.__context__, Exception):
                # One of the callbacks below.
                raise error.__context__ from None
            raise _refusal(error, piece) from error
        else:
            return len(piece)
        # Outside of the handler, whose error would be the context of the next one.
        self._read_without_upgrade()
        return read

    def _read_without_upgrade(self) -> None:
        """Read the same head again without its offer to speak another protocol (RFC 9110, 7.8).

        llhttp takes what follows for the other protocol; to us it is the body.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version()
        target, fields = self._target, self._fields
        self.reset()
        self._parser = httptools.HttpRequestParser(self)
        kept = [b"%b: %b\r\n" % field for field in fields if field[0].lower() != b"upgrade"]
        line = b"%b %b HTTP/%b\r\n" % (method, target, version.encode())
        self._feed(b"%b%b\r\n" % (line, b"".join(kept)))

    # -- llhttp's callbacks
    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self.is_complete:
            raise SentAheadError
        self.is_started = True

    def on_url(self, piece: bytes) -> None:
        """Called by the parser."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; after a body for its trailer as well, which nothing reads."""
        if self.head is None:
            if len(self._fields) == MAX_FIELDS:
                raise head_too_large(f"expected at most {MAX_FIELDS} fields")
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser: decide about the request before its body is read."""
        parser, fields, bounds = self._parser, self._fields, self._bounds
        method = METHODS.get(parser.get_method()) or parser.get_method().decode()
        head = Head(method, self._target, parser.get_http_version(), {})
        # After the message llhttp has forgotten it.
        self.keep_alive = parser.should_keep_alive()
        if self._silent > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise head_too_large(f"expected at most {MAX_HEAD_BYTES} bytes")
        if method == "CONNECT":
            raise not_implemented("expected no CONNECT: this is no proxy")
        head.read_fields(fields)
        if parser.should_upgrade():
            return
        self.head, headers = head, head.headers
        self._silent = 0
        length = int(headers.get("content-length") or 0)
        if length > bounds.max_body_bytes:
            raise body_too_large(bounds.max_body_bytes)
        self._body_left = length
        try:
            self.deadline = self._read_deadline(headers)
        except RequestError as error:
            self.deadline, self.refused = Deadline(bounds.max_timeout_ms), error

    def _read_deadline(self, headers: dict[str, str]) -> Deadline:
        return parse_deadline(headers.get("x-request-timeout-ms"), self._bounds.max_timeout_ms)

    def _head_size(self) -> int:
        """Bytes of the head: more may have been read with it."""
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._fields)

    def on_body(self, piece: bytes) -> None:
        """Called by the parser."""
        self._silent = 0
        if self._body_left:
            # It has a length, which is within the limit.
            self._body_left -= len(piece)
        else:
            self._body.verify_chunk(len(self._body) + len(piece))
        self._body.add(piece)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.is_complete = True


def _refusal(error: httptools.HttpParserError, piece: bytes | memoryview) -> RequestError:
    """What llhttp does not take, in the words of HTTP."""
    if isinstance(error, httptools.HttpParserInvalidMethodError) and METHOD.match(piece):
        return not_implemented("expected a method of HTTP")
    return malformed(str(error))
