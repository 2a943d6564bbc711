"""Reply -> the bytes of an HTTP/1.1 response."""

from __future__ import annotations

import functools
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from app.responses import COMMON_HEADERS

if TYPE_CHECKING:
    from app.responses import Reply

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# RFC 9110, 8.6: no content and no length.
BODILESS = frozenset({204, 304})


def encode(reply: Reply, connection: str, *, with_body: bool = True) -> bytes:
    """Encode a reply.

    `connection`: the field Connection, if there is one. `with_body` is false for an answer to HEAD,
    which has the length only.
    """
    body = reply.body
    more = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
    if reply.request_id:
        more = f"{more}X-Request-ID: {reply.request_id}\r\n"
    if reply.status not in BODILESS:
        more = f"{more}Content-Length: {len(body)}\r\n"
    else:
        with_body = False
    return b"%b%b%b\r\n%b" % (
        _constant(reply.status, reply.content_type, connection),
        more.encode("latin-1"),
        _date(int(time.time())),
        body if with_body else b"",
    )


@functools.cache
def _constant(status: int, content_type: str, connection: str) -> bytes:
    """The status line, and what every response of a kind has."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in COMMON_HEADERS.items()]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"Connection: {connection}"] if connection else []
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


@functools.lru_cache(1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
