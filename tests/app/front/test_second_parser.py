"""No request is read in two ways: what the front reads, h11 reads the same.

h11 shares neither code nor language with llhttp. It takes some things that the front refuses, as a
client's library may; what the front takes, it must take as well, and read alike. `READ_REQUESTS` in
the environment is how many random requests there are.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass
from itertools import pairwise

import h11
import pytest

from app.errors import RequestError
from app.front.memory import Bounds, Memory
from app.front.reading import Reading
from tests.app.front.requests import mutated, valid

COUNT = int(os.environ.get("READ_REQUESTS", "20000"))
PARTS = 8
# A request with which a connection ends leaves nothing to compare after it.
MAX_BODY = 10_000


@dataclass(frozen=True)
class Seen:
    """A request as one of the parsers has it."""

    method: str
    target: bytes
    headers: dict[str, str]
    body: bytes


def ours(pieces: list[bytes]) -> tuple[list[Seen], str]:
    """The requests that the front reads, and how it ends: refused, closed, in the middle, or ''."""
    reading, seen = Reading(Bounds(MAX_BODY, 5000, Memory(10**9))), []
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[reading.feed(rest) :]
                if reading.is_complete:
                    head = reading.head
                    assert head is not None
                    headers = {**head.headers}
                    if "connection" in headers:
                        headers.pop("upgrade", None)
                    seen.append(Seen(head.method, head.target, headers, reading.body))
                    if not reading.keep_alive:
                        return seen, "closed"
                    reading.reset()
    except RequestError:
        return seen, "refused"
    return seen, "middle" if reading.is_started else ""


def theirs(data: bytes, count: int) -> list[Seen]:
    """The first requests that h11 reads. Raises h11.RemoteProtocolError."""
    seen: list[Seen] = []
    while len(seen) < count:
        # What RFC 9112 (2.2 and 3) lets a server do, llhttp does and h11 does not: ignore ends of
        # lines before a request, and several spaces between the words of its first line.
        data = re.sub(rb"\A[\r\n]*([A-Z-]+) +(\S+) +", rb"\1 \2 ", data)
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=10**6)
        connection.receive_data(data)
        request, body = connection.next_event(), b""
        assert isinstance(request, h11.Request), request
        while isinstance(event := connection.next_event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        headers: dict[str, str] = {}
        for raw, value in request.headers:
            name, text = raw.decode("latin-1"), value.decode("latin-1")
            headers[name] = f"{headers[name]},{text}" if name in headers else text
        if "connection" in headers:
            # The front takes up no offer to speak another protocol, and drops it.
            headers.pop("upgrade", None)
        seen.append(Seen(request.method.decode(), bytes(request.target), headers, body))
        data = connection.trailing_data[0]
    return seen


def cut(data: bytes, numbers: random.Random) -> list[bytes]:
    """The data in pieces, at random places."""
    places = sorted({numbers.randrange(1, max(2, len(data))) for _ in range(numbers.randrange(4))})
    edges = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@pytest.mark.parametrize("part", range(PARTS))
def test_what_the_front_reads_a_second_parser_reads_alike(part: int) -> None:
    numbers = random.Random(part)  # noqa: S311 - reproducible, not secret
    read = refused = 0
    for _ in range(COUNT // PARTS):
        makers = [numbers.choice((valid, mutated)) for _ in range(numbers.randrange(1, 4))]
        parts = [make(numbers) for make in makers]
        for at in range(1, len(parts)):
            if numbers.random() < 0.3:
                # A client repeats its head; its body is another, or the same.
                parts[at] = parts[at - 1][:-1] + numbers.choice((parts[at - 1][-1:], b"x"))
        data = b"".join(parts)
        seen, end = ours([data])
        assert ours(cut(data, numbers)) == (seen, end), data
        assert ours(parts) == (seen, end), data
        refused += end == "refused"
        read += len(seen)
        if seen:
            assert theirs(data, len(seen)) == seen, data
        if makers == [valid]:
            assert len(seen) == 1, data
    # Both happen often enough for the comparison to mean something.
    assert min(read, refused) > COUNT // PARTS // 10
