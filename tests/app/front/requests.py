"""Requests for the tests of the front: good ones, broken ones, and random ones."""

from __future__ import annotations

import random

BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"
TOKENS = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# What breaks parsers apart: ends of lines, separators, digits that are none, and the rest.
SEEDS = (
    b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b",", b";", b"\0", b"\xff", b"\x0b", b"0", b"+1",
    b"0x1", b"\r\n\r\n", b"\r\n ", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Host: y\r\n", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n",
    b"Connection: Upgrade\r\n",
)  # fmt: skip


def post(fields: bytes = b"", body: bytes = BODY, path: bytes = b"/predict") -> bytes:
    """A POST of a body with its length."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\n%b%b%b%b\r\n%b" % (path, HOST, JSON, length, fields, body)


def chunked(*parts: bytes, trailer: bytes = b"", fields: bytes = b"") -> bytes:
    """A POST of a body in chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    coding = b"Transfer-Encoding: chunked\r\n"
    line = b"POST /predict HTTP/1.1\r\n"
    return b"%b%b%b%b%b\r\n%b0\r\n%b\r\n" % (line, HOST, JSON, coding, fields, chunks, trailer)


def get(fields: bytes = HOST, path: bytes = b"/health", version: bytes = b"1.1") -> bytes:
    """A GET."""
    return b"GET %b HTTP/%b\r\n%b\r\n" % (path, version, fields)


def valid(numbers: random.Random) -> bytes:
    """A random good request."""
    fields = b"".join(_field(numbers) for _ in range(numbers.randrange(6)))
    body = numbers.randbytes(numbers.choice((0, 1, 5, 40, 300)))
    kind = numbers.randrange(4)
    if kind == 0:
        return get(HOST + fields, numbers.choice((b"/", b"/a?b=c", b"/%41", b"http://y/a?b")))
    if kind == 1:
        cut = numbers.randrange(len(body) + 1)
        parts = [part for part in (body[:cut], body[cut:]) if part]
        trailer = _field(numbers) if numbers.random() < 0.3 else b""
        return chunked(*parts, trailer=trailer, fields=fields)
    return post(fields, body)


def mutated(numbers: random.Random) -> bytes:
    """A request with some bytes changed, taken out, doubled or put in."""
    data = bytearray(valid(numbers))
    for _ in range(numbers.randrange(1, 4)):
        where = numbers.randrange(len(data) + 1)
        kind = numbers.randrange(4)
        if kind == 0:
            data[where : where + 1] = bytes([numbers.randrange(256)])
        elif kind == 1:
            del data[where : where + numbers.randrange(1, 4)]
        elif kind == 2:
            data[where:where] = data[where : where + numbers.randrange(1, 30)]
        else:
            data[where:where] = numbers.choice(SEEDS)
    return bytes(data)


def _field(numbers: random.Random) -> bytes:
    name = bytes(numbers.choices(TOKENS, k=numbers.randrange(1, 8)))
    value = bytes(numbers.choices(range(0x21, 0x7F), k=numbers.randrange(12)))
    return b"X-%b:%b%b%b\r\n" % (name, numbers.choice((b"", b" ", b" \t")), value, b"")
