"""The fast path for plain requests: parsed and answered without parser, state machine or task.

Nearly every prediction request is one packet: a known request line, header fields that change
nothing about connection or framing, and a body of the declared length. Anything else is left to
gunicorn's parser, which alone decides what to reject: `parse_request` returns a request or None.
tests/app/test_fastpath.py verifies that both read the same request the same way.
"""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.responses import Reply

# One whole line of printable ASCII. No underscore in a name: proxies and gunicorn treat such fields
# specially, because WSGI cannot tell them from hyphens.
FIELD_LINE = re.compile(r"^([!#$%&'*+.^`|~0-9A-Za-z-]+):[ \t]*([\t -~]*)\r\n", re.MULTILINE)
END_OF_HEAD = b"\r\n\r\n"
# Fields that change how the connection or the body is read.
FRAMING = frozenset({"transfer-encoding", "upgrade", "expect"})
# Larger heads are left to the parser, which has limits of its own.
MAX_HEAD_BYTES = 4000
MAX_FIELDS = 50
MAX_LENGTH_DIGITS = 7


@dataclass(slots=True)
class PlainRequest:
    """A plain request; `missing_bytes`: how many bytes of its body have not arrived."""

    headers: dict[str, str]
    body: bytes
    missing_bytes: int


def parse_request(data: bytes, start: int) -> PlainRequest | None:
    """Parse the request whose request line ends at `start`; header names become lower-case.

    None unless `data` is exactly one plain HTTP/1.1 request.
    """
    end = data.find(END_OF_HEAD, start, MAX_HEAD_BYTES)
    if end < 0:
        return None
    head = data[start : end + 2].decode("latin-1")
    fields = FIELD_LINE.findall(head)
    headers = {name.lower(): value.rstrip(" \t") for name, value in fields}
    # As many fields as lines and no name twice: nothing was skipped and nothing is ambiguous.
    if not len(headers) == len(fields) == head.count("\n") <= MAX_FIELDS:
        return None
    if "host" not in headers or not FRAMING.isdisjoint(headers):
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("content-length", "")
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        return None
    body = data[end + len(END_OF_HEAD) :]
    missing_bytes = int(length) - len(body)
    return None if missing_bytes < 0 else PlainRequest(headers, body, missing_bytes)


def encode_response(reply: Reply) -> bytes:
    """Encode the reply as HTTP/1.1, for a connection that stays open."""
    text = "".join(f"{name}: {value}\r\n" for name, value in reply.fields().items())
    return b"%b%bContent-Length: %d\r\n%b\r\n%b" % (
        _status_line(reply.status),
        text.encode("latin-1"),
        len(reply.body),
        _date(int(time.time())),
        reply.body,
    )


@functools.cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@functools.lru_cache(1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
