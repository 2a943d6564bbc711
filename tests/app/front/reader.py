"""One connection's requests read from bytes, and requests that are read whole."""

from __future__ import annotations

import pytest

from app.errors import RequestError
from app.front.memory import Bounds, Memory
from app.front.reading import Reading
from tests.app.front.requests import BODY, chunked, get, post

MAX_BODY = 1000
BOUND = 10 * MAX_BODY


class Reader:
    """One connection's requests, as bytes come."""

    def __init__(self, bound: int = BOUND) -> None:
        self.memory = Memory(bound)
        self.reading = Reading(Bounds(MAX_BODY, 5000, self.memory))
        self.requests: list[tuple[str, bytes, dict[str, str], bytes]] = []

    def feed(self, *pieces: bytes) -> Reader:
        """Read pieces one after the other; what is complete is noted."""
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[self.reading.feed(rest) :]
                if self.reading.is_complete:
                    head = self.reading.head
                    assert head is not None
                    self.requests.append(
                        (head.method, head.target, head.headers, self.reading.body)
                    )
                    self.reading.reset()
        return self

    def refusal(self, *pieces: bytes) -> RequestError:
        """The error that ends it."""
        with pytest.raises(RequestError) as refused:
            self.feed(*pieces)
        return refused.value


WHOLE = {
    "length": post(),
    "empty body": post(body=b""),
    "no body": get(),
    "chunks": chunked(BODY[:5], BODY[5:]),
    "no chunk": chunked(),
    "trailer": chunked(BODY, trailer=b"X-Sum: 1\r\n"),
    "chunk that looks like an end": chunked(b"a\r\n\r\nb", b"\r\n\r\n"),
    "extension": chunked().replace(b"0\r\n", b"3;a=b\r\nabc\r\n0\r\n"),
    "body that looks like a request": post(body=get() + post()),
    "upgrade": post(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"),
    "upgrade in chunks": chunked(BODY, fields=b"Connection: upgrade\r\nUpgrade: a\r\n"),
    "empty lines before": b"\r\n\r\n" + get(),
    "absolute target": get(path=b"http://other:80/health?a=b"),
}
