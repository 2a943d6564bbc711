"""A body as it arrives: what it holds, and how many chunks it may come in."""

from __future__ import annotations

import pytest

from app.errors import RequestError
from app.front.body import Body
from app.front.memory import MAX_SMALL_CHUNKS, MIN_CHUNK_BYTES, Bounds, Memory

MAX_BODY = 1_000_000


@pytest.fixture
def body() -> Body:
    return Body(Bounds(MAX_BODY, 5000, Memory(MAX_BODY)))


def test_a_body_begins_empty(body: Body) -> None:
    assert (body.data, len(body)) == (b"", 0)
    body.add(b"a")
    body.add(b"b")
    assert (body.data, len(body)) == (b"ab", 2)


def test_a_body_beyond_the_limit_is_refused_with_the_limit(body: Body) -> None:
    body.verify_chunk(MAX_BODY)
    with pytest.raises(RequestError, match=f"413.*{MAX_BODY} bytes"):
        body.verify_chunk(MAX_BODY + 1)


@pytest.mark.parametrize("size", [0, 10 * MIN_CHUNK_BYTES])
def test_small_chunks_are_counted_anew_after_each_body(body: Body, size: int) -> None:
    for _ in range(2):
        for _ in range(MAX_SMALL_CHUNKS + size // MIN_CHUNK_BYTES):
            body.verify_chunk(size)
        with pytest.raises(RequestError, match=f"413.*{MIN_CHUNK_BYTES} bytes"):
            body.verify_chunk(size)
        body.drop()
