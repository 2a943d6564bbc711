"""What is cheap to send and brings no request: after so much of it the connection is closed.

Each flood says what it may cost: frames that were answered, requests that were handed on, memory.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from app.front.http2 import budgets
from app.service import Service
from tests.app.front.http2.client import (
    CONTINUATION,
    DATA,
    GREETING,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Answers,
    Conversation,
    echo,
    frame,
    headers,
)
from tests.app.front.http2.test_streams import talk

CALM = 11
COUNT = 20_000
MAX_CHATTER = budgets.CHATTER + budgets.CHATTER_PER_SECOND


def many(make: bytes) -> bytes:
    """So many of one frame."""
    return make * COUNT


CHATTER = {
    "ping": many(frame(PING, 0, 0, b"12345678")),
    "settings": many(frame(SETTINGS, 0, 0)),
    "acknowledgements": many(frame(SETTINGS, 1, 0)),
    "priority": many(frame(PRIORITY, 0, 5, b"\0\0\0\0\1")),
    "windows": many(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
    "windows of a stream": headers(1) + many(frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")),
    "empty data": headers(1) + many(frame(DATA, 0, 1)),
    "padding alone": headers(1) + many(frame(DATA, 8, 1, b"\1\0")),
    "unknown frames": many(frame(0xBB, 0, 0, b"")),
    "late data": headers(1, fields=((":method", "POST"),)) + many(frame(DATA, 0, 1, b"a")),
}


@pytest.mark.parametrize("data", CHATTER.values(), ids=CHATTER)
def test_frames_that_carry_no_request_end_a_connection(service: Service, data: bytes) -> None:
    async def flood(client: Conversation) -> None:
        client.feed(GREETING + data)
        await client.settle()
        assert client.end() == (CALM, "too many frames that carry no request")
        assert client.transport.is_ended
        # Nothing is said for what came after, and little before.
        assert len(client.frames()) <= MAX_CHATTER + 5
        assert len(client.front.requests) <= 1

    assert talk(service, flood, greets=False).front.faults


RESETS = {
    "rapid reset": lambda n: headers(n, 5) + frame(RST_STREAM, 0, n, b"\0\0\0\x08"),
    "reset of what is malformed": lambda n: headers(n, 5, ((":method", "GET"),)),
    "reset by a window of nothing": lambda n: (
        headers(n) + frame(WINDOW_UPDATE, 0, n, b"\0\0\0\0")
    ),
    "reset by a window too large": lambda n: (
        headers(n) + frame(WINDOW_UPDATE, 0, n, b"\x7f\xff\xff\xff")
    ),
    "reset by priority": lambda n: (
        headers(n) + frame(PRIORITY, 0, n, n.to_bytes(4, "big") + b"\1")
    ),
    "reset by data after the end": lambda n: headers(n, 5) + frame(DATA, 0, n, b"a"),
    "reset by a trailer without an end": lambda n: headers(n) + headers(n, 4, (("a", "b"),)),
}  # fmt: skip


@pytest.mark.parametrize("kind", RESETS)
def test_streams_that_are_reset_end_a_connection(service: Service, kind: str) -> None:
    """By the client, or by the server because the client had it do so."""

    async def flood(client: Conversation) -> None:
        data = b"".join(RESETS[kind](1 + 2 * n) for n in range(2000))
        client.feed(GREETING + data)
        await client.settle()
        code, text = client.end() or (0, "")
        assert code == CALM
        assert text.startswith("too many")
        assert len(client.front.requests) <= budgets.RESETS + budgets.RESETS_PER_SECOND

    talk(service, flood, lambda _: None, greets=False)


def test_refused_streams_end_a_connection(service: Service) -> None:
    async def flood(client: Conversation) -> None:
        client.feed(GREETING + b"".join(headers(1 + 2 * n, 5) for n in range(2000)))
        await client.settle()
        assert client.end() == (CALM, "too many streams that were reset")
        assert len(client.front.requests) == 100

    talk(service, flood, lambda _: None, greets=False)


@pytest.mark.parametrize("size", [0, 1, 1000, 16_384])
def test_a_header_block_without_an_end_ends_a_connection(service: Service, size: int) -> None:
    """CVE-2024-27316: by frames as well as by bytes."""

    async def flood(client: Conversation) -> None:
        most = 0
        client.feed(GREETING + frame(HEADERS, 0, 1, b"\x82"))
        for _ in range(200):
            client.feed(frame(CONTINUATION, 0, 1, b"\x82" * size))
            most = max(most, client.front.bounds.memory.held)
        code, text = client.end() or (0, "")
        assert (code, text[:8]) == (CALM, "too many")
        assert most < budgets.MAX_BLOCK_BYTES + 10_000
        assert client.front.requests == []

    talk(service, flood, greets=False)


def test_fields_that_unfold_are_refused_before_they_cost_memory(service: Service) -> None:
    """A block of 15 KB that says the same 4,000 bytes 12,000 times."""

    async def flood(client: Conversation) -> None:
        name = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4000
        client.feed(GREETING + frame(HEADERS, 5, 1, headers(1)[9:] + name))
        held = client.front.bounds.memory.held
        client.feed(frame(HEADERS, 5, 3, headers(3)[9:] + b"\xbe" * 12_000))
        await client.settle()
        assert (client.end() or (0, ""))[0] == 9
        assert client.front.bounds.memory.most <= held + 20_000
        assert len(client.front.requests) == 1

    talk(service, flood, greets=False)


def test_large_heads_that_are_refused_cost_many_resets_each(service: Service) -> None:
    async def flood(client: Conversation) -> None:
        fields = (*((f"a{n}", "b" * 500) for n in range(28)), ("x", "y" * 0))
        block = headers(1, 5, fields)[9:] + b"\x82" * 1000
        client.feed(GREETING)
        for n in range(100):
            client.feed(frame(HEADERS, 5, 1 + 2 * n, block))
        await client.settle()
        assert (client.end() or (0, ""))[0] == CALM
        assert len(client.front.requests) <= budgets.RESETS // budgets.LARGE_HEAD + 5

    talk(service, flood, greets=False)


def test_updates_of_the_table_are_two_at_most(service: Service) -> None:
    async def flood(client: Conversation) -> None:
        block = headers(1)[9:]
        client.feed(GREETING + frame(HEADERS, 5, 1, b"\x20\x3f\xe1\x1f" + block))
        client.feed(frame(HEADERS, 5, 3, b"\x20" * 3 + block))
        await client.settle()
        assert (client.end() or (0, ""))[0] == 9
        assert len(client.front.requests) == 1

    talk(service, flood, greets=False)


def test_a_body_in_thousands_of_pieces_is_refused(service: Service) -> None:
    async def flood(client: Conversation) -> None:
        client.feed(GREETING + headers(1) + frame(DATA, 0, 1, b"a") * 1100)
        await client.settle()
        (request,) = client.front.requests
        assert "chunks" in str(request.refused)

    talk(service, flood, greets=False)


def test_open_streams_count_in_the_memory_of_all(service: Service) -> None:
    """Those of many connections: each may have a hundred."""

    async def run() -> None:
        front = Answers(service, echo)
        clients = [Conversation(front, greets=False) for _ in range(30)]
        fields = (*HEAD_FIELDS, ("a", "b" * 5000))
        for client in clients:
            client.feed(GREETING + b"".join(headers(1 + 2 * n, 4, fields) for n in range(100)))
        for client in clients:
            await client.settle()
        assert front.bounds.memory.most <= front.bounds.memory.limit
        assert all("503" in str(each.refused) for each in front.requests)
        assert front.requests
        for client in clients:
            client.close()
        assert front.bounds.memory.held == 0

    asyncio.run(run())


HEAD_FIELDS = ((":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", "x"))


def test_hundreds_of_requests_at_once_leave_others_their_turn(service: Service) -> None:
    """Each takes a millisecond; a turn of the loop is given two, and the others are answered."""

    def slow(request: object) -> object:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        return echo(request)  # type: ignore[arg-type]

    async def run() -> None:
        front = Answers(service, slow)  # type: ignore[arg-type]
        greedy, other = Conversation(front, greets=False), Conversation(front)
        greedy.feed(GREETING + b"".join(headers(1 + 2 * n, 5) for n in range(300)))
        assert len(front.requests) <= 3
        assert greedy.transport.is_paused
        stream = other.ask(b"a")
        await other.turn(3)
        assert other.body(stream) == b"a"
        assert len(front.requests) < 30
        await greedy.settle()
        assert len(front.requests) == 301
        answered = [kind for kind, _, _, _ in greedy.frames() if kind == HEADERS]
        assert len(answered) == 300
        for client in (greedy, other):
            client.close()
        assert front.bounds.memory.held == 0

    asyncio.run(run())


def test_what_a_client_may_do_in_peace(service: Service) -> None:
    """gRPC's clients send two windows and a PING with every call."""

    async def ask(client: Conversation) -> None:
        client.feed(GREETING)
        more = frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x08") * 2 + frame(PING, 0, 0, b"12345678")
        for n in range(5000):
            client.feed(headers(1 + 2 * n, 5) + more)
        await client.settle()
        assert client.end() is None
        assert len(client.front.requests) == 5000

    talk(service, ask, greets=False)


@pytest.mark.parametrize("seconds", [9.0, 11.0])
def test_a_frame_of_a_head_that_does_not_end_in_time(service: Service, seconds: float) -> None:
    async def wait(client: Conversation) -> None:
        client.feed(GREETING + headers(1, 0)[:20])
        client.front.time += seconds
        client.front.sweep(65.0)
        assert (client.end() is not None) == (seconds > 10)

    talk(service, wait, greets=False)


@pytest.mark.parametrize("data", [PREFACE, PREFACE[:10], GREETING + headers(1, 0)])
def test_what_is_begun_and_not_gone_on_with_is_closed(service: Service, data: bytes) -> None:
    async def wait(client: Conversation) -> None:
        client.feed(data)
        client.front.time += 11
        client.front.sweep(65.0)
        await client.settle()
        assert client.transport.is_ended

    talk(service, wait, greets=False)


def test_a_connection_without_a_request_is_told_and_closed(service: Service) -> None:
    async def wait(client: Conversation) -> None:
        client.feed(GREETING + headers(1, 5))
        await client.settle()
        client.front.time += 60
        client.front.sweep(65.0)
        assert client.end() is None
        client.front.time += 10
        client.front.sweep(65.0)
        assert client.end() == (0, "")
        # A client that has read it says so, and is let go.
        (asked,) = [data for kind, flags, _, data in client.frames() if (kind, flags) == (PING, 0)]
        client.feed(frame(PING, 1, 0, asked))
        await client.settle()
        assert client.transport.is_ended
        client.front.time += 3
        client.front.sweep(65.0)
        assert client.transport.is_over

    talk(service, wait, greets=False)
