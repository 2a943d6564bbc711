"""However bytes are cut, and whatever they are: the same is read, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.service import Service
from tests.app.front.http2.client import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GREETING,
    HEAD,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Answers,
    Conversation,
    echo,
    frame,
    headers,
)

# How many random conversations there are.
COUNT = int(os.environ.get("READ_FRAMES", "200"))
BLOCK = headers(5)[9:]
RECORDED = (
    GREETING
    + frame(SETTINGS, 1, 0)
    + headers(1)
    + frame(DATA, 0, 1, b"hel")
    + headers(3, END_HEADERS | END_STREAM)
    + frame(DATA, END_STREAM | 8, 1, b"\2lo\0\0")
    + frame(HEADERS, END_STREAM, 5, BLOCK[:3])
    + frame(CONTINUATION, 0, 5, b"")
    + frame(CONTINUATION, END_HEADERS, 5, BLOCK[3:])
    + frame(PING, 0, 0, b"12345678")
    + headers(7)
    + frame(RST_STREAM, 0, 7, b"\0\0\0\x08")
    + headers(9, END_HEADERS, ((":method", "POST"),))
    + frame(DATA, END_STREAM, 9, b"late")
)


def read(service: Service, *pieces: bytes) -> tuple[list[Any], list[Any]]:
    """The requests that are read from the pieces, and what is sent."""

    async def run() -> tuple[list[Any], list[Any]]:
        front = Answers(service, echo)
        client = Conversation(front, greets=False)
        for piece in pieces:
            client.feed(piece)
            while client.transport.is_paused and not client.transport.is_over:
                await asyncio.sleep(0)
        await client.settle()
        requests = [
            (each.method, each.path, dict(each.headers), each.body, str(each.refused))
            for each in front.requests
        ]
        sent = sorted((s, kind) for kind, _, s, _ in client.frames())
        client.close()
        assert front.bounds.memory.held == 0
        assert not front.connections
        assert not front.receiving
        return requests, sent

    return asyncio.run(run())


def test_however_it_is_cut_it_is_the_same_conversation(service: Service) -> None:
    expected = read(service, RECORDED)
    assert [each[3] for each in expected[0]] == [b"", b"hello", b"", b""]
    for cut in range(1, len(RECORDED)):
        assert read(service, RECORDED[:cut], RECORDED[cut:]) == expected, cut
    drops = [RECORDED[n : n + 1] for n in range(len(RECORDED))]
    assert read(service, *drops) == expected


def test_a_preface_that_is_none_is_read_as_http1(service: Service) -> None:
    """By its first bytes, wherever they are cut."""
    asked = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    for data in (asked.replace(b"GET", b"POST"), asked.replace(b"GET", b"PROPFIND"), asked):
        for cut in range(1, 12):
            requests, _ = read_http1(service, data[:cut], data[cut:])
            assert len(requests) == 1
    for cut in range(1, len(PREFACE)):
        broken = PREFACE[:cut] + b"~" + PREFACE[cut + 1 :]
        requests, transport = read_http1(service, broken[:cut], broken[cut:])
        assert transport.written.startswith(b"HTTP/1.1 "), cut


def read_http1(service: Service, *pieces: bytes) -> tuple[list[Any], Any]:
    """What becomes of the pieces."""

    async def run() -> tuple[list[Any], Any]:
        front = Answers(service, echo)
        client = Conversation(front, greets=False)
        for piece in pieces:
            client.feed(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.close()
        assert front.bounds.memory.held == 0
        return front.requests, client.transport

    return asyncio.run(run())


BLOCKS = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([*HEAD, ("a", "b"), ("te", "trailers"), ("content-length", "3")]),
        max_size=9,
    ).map(lambda fields: headers(1, 4, fields)[9:]),
    st.binary(max_size=9).map(lambda more: BLOCK + more),
)
FRAMES = st.builds(
    frame,
    st.sampled_from([DATA, HEADERS, HEADERS, HEADERS, *range(12)]),
    st.integers(0, 255),
    st.sampled_from([0, 1, 1, 2, 3, 3, 5, 7, 2**31 - 1]),
    st.one_of(BLOCKS, st.sampled_from([b"", b"\0\0\0\1", b"12345678", b"\0\4\0\0\0\0"])),
)
MIXED = st.lists(st.one_of(FRAMES, FRAMES, FRAMES, st.binary(max_size=30)), max_size=12)


@given(parts=MIXED, seed=st.integers(0, 2**32), greets=st.booleans())
@settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_comes_nothing_fails_and_nothing_is_left(
    service: Service, parts: list[bytes], seed: int, *, greets: bool
) -> None:
    said: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        front = Answers(service, echo)
        front.conversations = {"/echo": lambda message: message}
        client = Conversation(front, greets=False)
        data = (GREETING if greets else PREFACE) + b"".join(parts)
        numbers = random.Random(seed)  # noqa: S311
        while data:
            cut = numbers.randrange(1, len(data) + 1)
            client.feed(data[:cut])
            data = data[cut:]
        await client.settle()
        client.frames()
        client.close()
        await asyncio.sleep(0)
        assert front.bounds.memory.held == 0
        assert not front.connections
        assert not front.receiving

    asyncio.run(run())
    assert said == []
