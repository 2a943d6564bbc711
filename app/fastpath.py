"""The plainest form of a request and its response, in one go: no parser, no state, no task.

Nearly every request for a prediction is one packet: a known first line, header fields that change
nothing about connection or framing, and a body of the announced length. Whatever is not surely
that is left to gunicorn's parser, which reads everything and refuses what must be refused:
`read` only ever says "plain" or "not for me". tests/app/test_fastpath.py holds the two together.
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

# A whole line each, printable ASCII only. No underscore in a name: proxies and gunicorn treat
# such fields specially.
FIELD = re.compile(r"^([!#$%&'*+.^`|~0-9A-Za-z-]+):[ \t]*([\t -~]*)\r\n", re.MULTILINE)
END = b"\r\n\r\n"
# Fields by which a client changes how the connection or the body is to be read.
FRAMING = frozenset({"transfer-encoding", "upgrade", "expect"})
# Heads beyond these are for the parser, which has limits and refusals of its own.
MOST_HEAD_BYTES = 4000
MOST_FIELDS = 50
LENGTH_DIGITS = 7


@dataclass(slots=True)
class Plain:
    """A plain request; `missing`: how many bytes of its body are still on their way."""

    headers: dict[str, str]
    body: bytes
    missing: int


def read(data: bytes, start: int) -> Plain | None:
    """The request whose first line ends at `start`, with lower-case names of its headers.

    None unless `data` is one plain HTTP/1.1 request and nothing more.
    """
    end = data.find(END, start, MOST_HEAD_BYTES)
    if end < 0:
        return None
    head = data[start : end + 2].decode("latin-1")
    fields = FIELD.findall(head)
    headers = {name.lower(): value.rstrip(" \t") for name, value in fields}
    # As many fields as lines, and no name twice: nothing was skipped, nothing is ambiguous.
    if not len(headers) == len(fields) == head.count("\n") <= MOST_FIELDS:
        return None
    if "host" not in headers or not FRAMING.isdisjoint(headers):
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("content-length", "")
    if not length.isdigit() or len(length) > LENGTH_DIGITS:
        return None
    body = data[end + len(END) :]
    missing = int(length) - len(body)
    return None if missing < 0 else Plain(headers, body, missing)


def response(reply: Reply) -> bytes:
    """The reply as HTTP/1.1, on a connection that stays open."""
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
