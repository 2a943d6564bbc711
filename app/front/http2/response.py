"""Reply -> the header blocks of a response (HPACK, RFC 7541).

No field is put into the table that both sides keep: the same bytes serve every connection, and are
made once for each kind of response.
"""

from __future__ import annotations

import functools
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from hpack.table import HeaderTable

from app.front.response import BODILESS
from app.responses import COMMON_HEADERS

if TYPE_CHECKING:
    from app.responses import Reply

# The client's table is empty from here on, which it may ask for by making it smaller.
EMPTY_TABLE = b"\x20"
# 100, to a client that waits for a go-ahead: a literal with the name of the eighth entry.
CONTINUE = b"\x08\x03100"
# The statuses that the table of every connection has.
STATUSES = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
REMEMBERED = 256


def head(reply: Reply) -> bytes:
    """The block of a response's head; of a reply without a body but with trailers, all fields."""
    parts = [_constant(reply.status, reply.content_type), _date(int(time.time()))]
    if reply.request_id:
        parts.append(_REQUEST_ID + _text(reply.request_id.encode("latin-1")))
    if reply.headers:
        parts += [_field(name, value) for name, value in reply.headers.items()]
    if reply.trailers is None:
        if reply.status not in BODILESS:
            parts.append(_length(len(reply.body)))
    elif not reply.body:
        parts.append(trailers(reply.trailers))
    return b"".join(parts)


def begin(content_type: str) -> bytes:
    """The block of a head after which data follows as it comes."""
    return _constant(200, content_type) + _date(int(time.time()))


def trailers(fields: dict[str, str]) -> bytes:
    """The block of the fields after a body."""
    return b"".join([_field(name, value) for name, value in fields.items()])


@functools.cache
def _constant(status: int, content_type: str) -> bytes:
    """What every response of a kind has."""
    index = STATUSES.get(status)
    parts = [CONTINUE[:2] + b"%d" % status] if index is None else [bytes([0x80 | index])]
    parts += [_field(name, value) for name, value in COMMON_HEADERS.items()]
    parts += [_field("content-type", content_type)] if content_type else []
    return b"".join(parts)


@functools.lru_cache(1)
def _date(second: int) -> bytes:
    return _literal("date", formatdate(second, usegmt=True))


@functools.lru_cache(REMEMBERED)
def _length(size: int) -> bytes:
    return _literal("content-length", str(size))


@functools.lru_cache(REMEMBERED)
def _field(name: str, value: str) -> bytes:
    return _literal(name, value)


def _literal(name: str, value: str) -> bytes:
    """A field that leaves the table alone (6.2.2)."""
    return _name(name.lower()) + _text(value.encode("latin-1"))


@functools.lru_cache(REMEMBERED)
def _name(name: str) -> bytes:
    index = _STATIC.get(name.encode())
    return b"\0" + _text(name.encode()) if index is None else _integer(index, 4, 0)


def _text(data: bytes) -> bytes:
    """A text as it is: shorter codes cost more time than they save."""
    size = len(data)
    return (bytes((size,)) if size < 127 else _integer(size, 7, 0)) + data


def _integer(number: int, bits: int, flags: int) -> bytes:
    """A number (5.1)."""
    limit = (1 << bits) - 1
    if number < limit:
        return bytes([flags | number])
    data = bytearray([flags | limit])
    number -= limit
    while number >= 128:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


# Names -> their first index in the table of every connection.
_STATIC: dict[bytes, int] = {}
for _index, (_entry, _) in enumerate(HeaderTable.STATIC_TABLE, 1):
    _STATIC.setdefault(_entry, _index)
_REQUEST_ID = _name("x-request-id")
