"""Reply -> the bytes of an HTTP/1.1 response."""

from __future__ import annotations

import functools
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.responses import Reply

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# RFC 9110, 8.6: no content and no length.
BODILESS = frozenset({204, 304})


def encode(reply: Reply, *, keep_alive: bool, with_body: bool = True) -> bytes:
    """Encode a reply; `with_body` is false for an answer to HEAD, which has the length only."""
    lines = [f"{name}: {value}\r\n" for name, value in reply.fields().items()]
    if not keep_alive:
        lines.append("Connection: close\r\n")
    if reply.status not in BODILESS:
        lines.append(f"Content-Length: {len(reply.body)}\r\n")
    return b"%b%b%b\r\n%b" % (
        _status_line(reply.status),
        "".join(lines).encode("latin-1"),
        _date(int(time.time())),
        reply.body if with_body and reply.status not in BODILESS else b"",
    )


@functools.cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@functools.lru_cache(1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
