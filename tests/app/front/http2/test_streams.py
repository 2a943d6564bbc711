"""Requests and answers of one connection: heads, bodies, trailers, windows, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import h2.events
import h2.settings
import pytest

from app.errors import RequestError
from app.front.http2 import streams
from app.request import Request
from app.responses import Reply
from app.service import Service
from tests.app.front.http2.client import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GREETING,
    HEAD,
    HEADERS,
    MAX_BODY,
    RST_STREAM,
    WINDOW_UPDATE,
    Answers,
    Conversation,
    echo,
    frame,
    headers,
)

Body = Callable[[Conversation], Awaitable[None]]


def talk(
    service: Service,
    body: Body,
    answer: Callable[[Request], Reply | None] = echo,
    conversations: dict[str, Callable[[bytes], bytes]] | None = None,
    *,
    greets: bool = True,
) -> Conversation:
    """Run a conversation; nothing is held afterwards."""

    async def run() -> Conversation:
        front = Answers(service, answer)
        front.conversations = conversations or {}
        conversation = Conversation(front, greets=greets)
        await body(conversation)
        await asyncio.sleep(0)
        conversation.close()
        assert front.bounds.memory.held == 0
        assert not front.connections
        assert not front.receiving
        return conversation

    return asyncio.run(run())


@pytest.mark.parametrize("size", [1, 100, 16_384, 16_385, MAX_BODY])
def test_a_body_of_any_size_comes_and_goes(service: Service, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    async def ask(client: Conversation) -> None:
        await client.turn()
        stream = client.ask(body, ("content-length", str(size)))
        await client.turn()
        # h2 opens its window as the test reads; the rest of a large answer waits for that.
        while not client.of(h2.events.StreamEnded, stream):
            got = len(client.body(stream))
            client.h2.increment_flow_control_window(got or 1)
            client.h2.increment_flow_control_window(got or 1, stream)
            client.flush()
            await client.turn()
        assert client.body(stream) == body
        (trailer,) = client.of(h2.events.TrailersReceived)
        assert dict(trailer.headers) == {"grpc-status": "0"}

    client = talk(service, ask)
    (request,) = client.front.requests
    assert (request.method, request.path, request.version) == ("POST", "/echo", "2")
    assert request.headers["host"] == "x"
    assert request.body == body


def test_trailers_without_a_body_are_one_head(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask()
        await client.turn()
        (event,) = client.of(h2.events.ResponseReceived, stream)
        fields = dict(event.headers)
        assert (fields[":status"], fields["grpc-status"]) == ("200", "0")
        assert "content-length" not in fields
        assert event.stream_ended is not None

    talk(service, ask)


def test_heads_are_the_same_known_or_not(service: Service) -> None:
    """The second of h2's heads is indexes alone, the third is looked up."""

    async def ask(client: Conversation) -> None:
        for _ in range(3):
            client.ask(b"a", ("x-a", "b"))
        client.ask(b"a", ("x-a", "c"))
        client.ask(b"a", ("x-a", "b"))
        await client.turn()

    found = [dict(each.headers) for each in talk(service, ask).front.requests]
    assert [each.pop("x-a") for each in found] == ["b", "b", "b", "c", "b"]
    assert all(each == {"host": "x"} for each in found)


def test_a_known_block_is_read_again_once_the_table_has_changed(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        base = headers(1)[9:]
        # The block names the two latest entries of the table; :authority after others is refused,
        # and becomes one all the same.
        block, authority = b"\x83\x86\x84\xbe\xbf", base + b"\x40\x0a:authority\1x"
        client.feed(GREETING + frame(HEADERS, 5, 1, base + b"\x40\1a\1b"))
        client.feed(frame(HEADERS, 5, 3, authority))
        client.feed(frame(HEADERS, 5, 5, block) + frame(HEADERS, 5, 7, block))
        client.feed(frame(HEADERS, 5, 9, base + b"\x40\1a\1c"))
        client.feed(frame(HEADERS, 5, 11, authority) + frame(HEADERS, 5, 13, block))
        await client.settle()

    found = talk(service, ask, greets=False).front.requests
    assert [each.headers.get("a") for each in found] == ["b", None, "b", "b", "c", None, "c"]


def test_an_answer_to_head_has_its_length_and_no_body(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask(method="HEAD")
        await client.turn()
        (event,) = client.of(h2.events.ResponseReceived, stream)
        assert dict(event.headers)["content-length"] == "5"
        assert client.body(stream) == b""
        assert client.of(h2.events.StreamEnded, stream)

    talk(service, ask, lambda _: Reply(200, b"12345"))


def test_no_content_has_no_length(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask(method="OPTIONS", path="*")
        await client.turn()
        (event,) = client.of(h2.events.ResponseReceived, stream)
        assert "content-length" not in dict(event.headers)

    client = talk(service, ask, lambda _: Reply(204, b"", "", {"Allow": "GET"}))
    assert client.front.requests[0].path == "*"


MALFORMED: dict[str, tuple[tuple[str, str], ...]] = {
    "no method": HEAD[1:],
    "no scheme": (HEAD[0], *HEAD[2:]),
    "no path": (*HEAD[:2], HEAD[3]),
    "empty path": (*HEAD[:2], (":path", ""), HEAD[3]),
    "relative path": (*HEAD[:2], (":path", "echo"), HEAD[3]),
    "star that is no OPTIONS": (*HEAD[:2], (":path", "*"), HEAD[3]),
    "no authority": HEAD[:3],
    "bad authority": (*HEAD[:3], (":authority", "a@b")),
    "another host": (*HEAD, ("host", "y")),
    "two paths": (*HEAD, (":path", "/")),
    "pseudo-header field after others": (*HEAD[:3], ("a", "b"), HEAD[3]),
    "unknown pseudo-header field": (*HEAD, (":a", "b")),
    "one of responses": (*HEAD, (":status", "200")),
    "upper case": (*HEAD, ("A", "b")),
    "space in a name": (*HEAD, ("a ", "b")),
    "no name": (*HEAD, ("", "b")),
    "newline": (*HEAD, ("a", "b\nc")),
    "NUL": (*HEAD, ("a", "b\0c")),
    "space at the end": (*HEAD, ("a", "b ")),
    "space around a value, almost of a call": (
        *HEAD,
        ("content-type", "application/grpcs"),
        ("a", " b"),
    ),
    "connection": (*HEAD, ("connection", "close")),
    "transfer-encoding": (*HEAD, ("transfer-encoding", "chunked")),
    "te": (*HEAD, ("te", "gzip")),
    "two content types": (*HEAD, ("content-type", "a/b"), ("content-type", "a/b")),
    "length": (*HEAD, ("content-length", "+1")),
    "body of another length": (*HEAD, ("content-length", "1")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_reads_why_and_is_reset(
    service: Service, fields: tuple[tuple[str, str], ...]
) -> None:
    async def ask(client: Conversation) -> None:
        client.feed(GREETING + headers(1, END_HEADERS | END_STREAM, fields) + headers(3, 5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sent = client.frames()
        assert [(kind, data) for kind, _, stream, data in sent if stream == 1][-1] == (
            RST_STREAM,
            b"\0\0\0\1",
        )
        # The others are answered.
        assert [kind for kind, _, stream, _ in sent if stream == 3] == [HEADERS]
        bodies = [data for kind, _, stream, data in sent if (kind, stream) == (DATA, 1)]
        assert b"malformed-request" in bodies[0]

    client = talk(service, ask, greets=False)
    refused = client.front.requests[0].refused
    assert isinstance(refused, RequestError)
    assert refused.status == 400


REFUSED = {
    "connect": (((":method", "CONNECT"), (":authority", "x")), 501),
    "method": (((":method", "BREW"), *HEAD[1:]), 501),
    "expectation": ((*HEAD, ("expect", "wonders")), 417),
    "too large": ((*HEAD, ("content-length", str(MAX_BODY + 1))), 413),
    "many fields": ((*HEAD, *((f"a{n}", "") for n in range(101))), 431),
    "large fields": ((*HEAD, *((f"a{n}", "b" * 500) for n in range(70))), 431),
    "deadline": ((*HEAD, ("x-request-timeout-ms", "1.5")), 400),
    "deadline of gRPC": ((*HEAD, ("grpc-timeout", "1h")), 400),
    "nine digits": ((*HEAD, ("grpc-timeout", "123456789m")), 400),
}


@pytest.mark.parametrize(("fields", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_reads_why_and_the_connection_goes_on(
    service: Service, fields: tuple[tuple[str, str], ...], status: int
) -> None:
    async def ask(client: Conversation) -> None:
        block = headers(1, 0, fields)[9:]
        pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
        data = frame(HEADERS, END_STREAM, 1, pieces[0])
        data += b"".join(frame(CONTINUATION, 0, 1, piece) for piece in pieces[1:])
        data += frame(CONTINUATION, END_HEADERS, 1)
        client.feed(GREETING + data + headers(3, 5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [kind for kind, _, stream, _ in client.frames() if stream == 1] == [HEADERS, DATA]
        assert [kind for kind, _, stream, _ in client.frames() if stream == 3] == [HEADERS]

    client = talk(service, ask, greets=False)
    refused = client.front.requests[0].refused
    assert isinstance(refused, RequestError)
    assert refused.status == status


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("1S", 1000), ("250m", 250), ("1H", 5000), ("1500u", 2), ("1n", 1), ("0n", 0), ("5M", 5000)],
)
def test_the_deadline_of_grpc(service: Service, text: str, milliseconds: int) -> None:
    async def ask(client: Conversation) -> None:
        client.ask(b"", ("grpc-timeout", text))

    (request,) = talk(service, ask).front.requests
    assert request.deadline.timeout_ms == milliseconds


def test_a_body_beyond_the_limit_is_refused_and_the_rest_of_it_ignored(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        await client.turn()
        first = client.ask(b"a" * (MAX_BODY + 1), ends=False)
        client.h2.send_data(first, b"b" * 100, end_stream=True)
        client.flush()
        second = client.ask(b"c")
        await client.turn()
        assert client.status(first) == "413"
        assert client.status(second) == "200"
        # h2 has ended the stream, and does not tell of a reset without an error.
        resets = [data for kind, _, number, data in client.frames() if kind == RST_STREAM]
        assert resets == [b"\0" * 4]

    talk(service, ask)


def test_a_late_body_is_refused(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask(b"a", ("grpc-timeout", "1m"), ends=False)
        await asyncio.sleep(0.002)
        client.front.sweep_bodies()
        await client.turn()
        assert client.status(stream) == "408"

    talk(service, ask)


def test_a_reset_cancels_what_waits(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask(b"a")
        (exchange,) = client.front.exchanges
        exchange.work = asyncio.get_running_loop().create_future()
        work = exchange.work
        client.h2.reset_stream(stream)
        client.flush()
        assert work.cancelled()
        assert exchange.request is None
        exchange.reply(Reply(200, b"late"))
        written = client.transport.written
        await asyncio.sleep(0)
        assert b"late" not in client.transport.written[len(written) :]

    talk(service, ask, lambda _: None)


@pytest.mark.parametrize("window", [1, 2, 7, 100])
def test_a_tiny_window_gets_every_byte_in_order(service: Service, window: int) -> None:
    body = bytes(range(200))

    async def ask(client: Conversation) -> None:
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        client.flush()
        await client.turn()
        streams = [client.ask(body) for _ in range(3)]
        await client.turn()
        assert [len(client.body(each)) for each in streams] == [window] * 3
        assert client.front.bounds.memory.held >= 3 * (200 - window)
        while len(client.of(h2.events.StreamEnded)) < 3:
            for each in streams:
                if not client.of(h2.events.StreamEnded, each):
                    client.h2.increment_flow_control_window(window, each)
            client.flush()
            await client.turn()
        assert [client.body(each) for each in streams] == [body] * 3
        assert len(client.of(h2.events.TrailersReceived)) == 3

    talk(service, ask)


def test_the_window_of_a_connection_holds_for_all_its_streams(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 200_000})
        client.flush()
        await client.turn()
        streams = [client.ask(b"a" * size) for size in (15_000, 40_000, 40_000)]
        await client.turn()
        assert sum(len(client.body(each)) for each in streams) == 65_535
        assert len(client.body(streams[0])) == 15_000
        client.h2.increment_flow_control_window(29_465)
        client.flush()
        await client.turn()
        assert [len(client.body(each)) for each in streams] == [15_000, 40_000, 40_000]

    talk(service, ask)


def test_a_window_may_shrink_below_zero_and_open_again(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        await client.turn()
        stream = client.ask(b"a" * 70_000)
        await client.turn()
        assert len(client.body(stream)) == 65_535
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        client.flush()
        client.h2.increment_flow_control_window(10_000)
        client.h2.increment_flow_control_window(65_535, stream)
        client.flush()
        await client.turn()
        assert len(client.body(stream)) == 65_535
        client.h2.increment_flow_control_window(4_465, stream)
        client.flush()
        await client.turn()
        assert len(client.body(stream)) == 70_000

    talk(service, ask)


def test_what_a_client_does_not_read_is_held_counted_and_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(client: Conversation) -> None:
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        client.flush()
        stream = client.ask(b"a" * 50_000)
        await client.turn()
        held = client.front.bounds.memory.held
        assert held >= 50_000
        later = client.front.loop.time() + 31
        client.front.time = later
        client.front.sweep(10_000.0)
        await client.turn()
        (reset,) = client.of(h2.events.StreamReset, stream)
        assert int(reset.error_code) == 8
        assert client.front.bounds.memory.held <= held - 50_000

    talk(service, ask)


def test_answers_that_wait_are_bounded_together(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        client.flush()
        await client.turn()
        for _ in range(30):
            client.ask()
            await client.turn()
            assert client.front.bounds.memory.held <= client.front.bounds.memory.limit
        assert {int(each.error_code) for each in client.of(h2.events.StreamReset)} == {11}

    talk(service, ask, lambda _: Reply(200, b"a" * 50_000))


def test_a_full_socket_pauses_and_goes_on(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        await client.turn()
        client.transport.is_full = True
        first = client.ask(b"a" * 100)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert client.is_paused()
        client.transport.empty()
        assert not client.is_paused()
        second = client.ask(b"b")
        await client.turn()
        assert (client.body(first), client.body(second)) == (b"a" * 100, b"b")

    talk(service, ask)


def test_more_streams_than_allowed_are_refused_and_may_be_tried_again(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        data = b"".join(headers(1 + 2 * n, 5) for n in range(streams.MAX_STREAMS + 3))
        client.feed(GREETING + data)
        while client.transport.is_paused:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused = [data for kind, _, _, data in client.frames() if kind == RST_STREAM]
        assert refused == [b"\0\0\0\7"] * 3
        assert len(client.front.requests) == streams.MAX_STREAMS

    talk(service, ask, lambda _: None, greets=False)


def test_padding_is_given_back(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        # Padding is within the window, and no body.
        padded = frame(DATA, 8, 1, b"\xff" + b"a" * 100 + b"\0" * 255)
        client.feed(GREETING + headers(1) + padded * 500)
        while client.transport.is_paused:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [kind for kind, _, stream, _ in client.frames() if stream == 1] == [
            WINDOW_UPDATE
        ] * 7
        assert client.front.bounds.memory.held > 50_000

    talk(service, ask, greets=False)


def test_a_conversation_is_answered_message_by_message(service: Service) -> None:
    def upper(message: bytes) -> bytes:
        if message == b"fault":
            raise ValueError
        return b"\0" + len(message).to_bytes(4, "big") + message.upper()

    def message(text: bytes) -> bytes:
        return b"\0" + len(text).to_bytes(4, "big") + text

    kind = ("content-type", "application/grpc+proto")

    async def ask(client: Conversation) -> None:
        stream = client.ask(message(b"ab") + message(b"c")[:3], kind, ends=False, path="/talk")
        await client.turn()
        assert client.body(stream) == message(b"AB")
        assert not client.of(h2.events.StreamEnded, stream)
        client.h2.send_data(stream, message(b"c")[3:], end_stream=True)
        client.flush()
        await client.turn()
        assert client.body(stream) == message(b"AB") + message(b"C")
        (trailer,) = client.of(h2.events.TrailersReceived, stream)
        assert dict(trailer.headers) == {"grpc-status": "0"}
        assert len(client.of(h2.events.ResponseReceived, stream)) == 1
        # A fault of ours.
        stream = client.ask(message(b"ab") + message(b"fault"), kind, ends=False, path="/talk")
        await client.turn()
        (trailer,) = client.of(h2.events.TrailersReceived, stream)
        assert dict(trailer.headers)["grpc-status"] == "13"
        # It was handed on, to be counted and logged.
        assert isinstance(client.front.requests[-1].refused, ValueError)
        # Too many messages.
        stream = client.ask(message(b"") * 1001, kind, path="/talk")
        await client.turn()
        assert client.body(stream) == message(b"") * 1000
        (trailer,) = client.of(h2.events.TrailersReceived, stream)
        assert dict(trailer.headers)["grpc-status"] == "3"

    client = talk(service, ask, conversations={"/talk": upper})
    assert client.front.requests[0].body == b""


def test_headers_larger_than_a_frame_go_on_in_the_next(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        stream = client.ask()
        await client.turn()
        (event,) = client.of(h2.events.ResponseReceived, stream)
        assert dict(event.headers)["x-large"] == "a" * 40_000
        assert max(len(data) for _, _, _, data in client.frames()) == 16_384

    talk(service, ask, lambda _: Reply(200, b"", headers={"X-Large": "a" * 40_000}))


def test_a_client_with_a_smaller_table_is_told_that_ours_is_empty(service: Service) -> None:
    async def ask(client: Conversation) -> None:
        client.h2.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: 100})
        client.flush()
        await client.turn()
        stream = client.ask(b"a")
        await client.turn()
        assert client.status(stream) == "200"

    talk(service, ask)


def test_messages_of_a_conversation_have_no_more_time_than_requests(service: Service) -> None:
    said: list[bytes] = []

    def note(message: bytes) -> bytes:
        said.append(message)
        return b"\0\0\0\0\0"

    async def ask(client: Conversation) -> None:
        client.front.has_time = lambda: False  # type: ignore[method-assign]
        fields = (*HEAD[:2], (":path", "/talk"), HEAD[3], ("content-type", "application/grpc"))
        data = [frame(DATA, 0, 1, b"\0\0\0\0\1" + text) for text in (b"a", b"b", b"c")]
        client.feed(GREETING + headers(1, END_HEADERS, fields) + b"".join(data))
        assert said == [b"a"]
        assert client.is_paused()
        for _ in range(6):
            await asyncio.sleep(0)
        assert said == [b"a", b"b", b"c"]

    talk(service, ask, conversations={"/talk": note}, greets=False)
