"""Bytes -> requests: what is read, what is refused, what is held. No socket.

The same bytes are read by a second parser in test_second_parser.py.
"""

from __future__ import annotations

import pytest

from app.errors import RequestError
from app.front import memory
from app.front.head import split_target
from app.front.memory import Bounds, Memory
from app.front.reading import Reading
from tests.app.front.reader import BOUND, MAX_BODY, WHOLE, Reader
from tests.app.front.requests import BODY, HOST, JSON, chunked, get, post


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_however_it_is_cut_it_is_the_same_request(data: bytes) -> None:
    expected = Reader().feed(data).requests
    assert len(expected) == 1
    for cut in range(1, len(data)):
        assert Reader().feed(data[:cut], data[cut:]).requests == expected, cut
    drops = [data[n : n + 1] for n in range(len(data))]
    reader = Reader().feed(*drops)
    assert reader.requests == expected
    assert reader.memory.held == 0


@pytest.mark.parametrize("second", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("first", WHOLE.values(), ids=WHOLE)
def test_what_is_sent_ahead_waits_its_turn(first: bytes, second: bytes) -> None:
    one, two = Reader().feed(first), Reader().feed(second)
    both = one.requests + two.requests
    assert Reader().feed(first + second).requests == both
    # One request at a time: the second is not looked at before the first is answered.
    reader = Reader()
    used = reader.reading.feed(memoryview(first + second))
    assert (reader.reading.is_complete, used) == (True, len(first))
    for cut in range(1, len(first + second), 7):
        whole = first + second
        assert Reader().feed(whole[:cut], whole[cut:]).requests == both, cut


def test_what_is_read_is_what_was_sent() -> None:
    data = post(b"X-A: \t b c \r\nX-a: d\r\nX-Empty:\r\n", path=b"/a%20b?c=d")
    ((method, target, headers, body),) = Reader().feed(data).requests
    assert (method, target, body) == ("POST", b"/a%20b?c=d", BODY)
    assert headers == {
        "host": "x",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "x-a": "b c,d",
        "x-empty": "",
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/a/b?c=d?e#f", "/a/b", "c=d?e"),
        (b"/%41%2f%ff", "/A/\xff", ""),
        (b"//health", "//health", ""),
        (b"/a:b@c", "/a:b@c", ""),
        (b"http://host:8/a?b", "/a", "b"),
        (b"http://host", "/", ""),
        (b"*", "*", ""),
    ],
)
def test_path_and_query_of_a_target(target: bytes, path: str, query: str) -> None:
    reader = Reader()
    reader.reading.feed(memoryview(get(path=target).replace(b"GET", b"OPTIONS")))
    assert reader.reading.head is not None
    assert split_target(reader.reading.head.target) == (path, query)


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
POST = b"POST /predict HTTP/1.1\r\n"


def posted(fields: bytes) -> bytes:
    return POST + fields + b"\r\n" + BODY


REFUSED = {
    "no host": (400, get(b"")),
    "two hosts": (400, get(HOST + HOST)),
    "host with a space": (400, get(b"Host: a b\r\n")),
    "host with a path": (400, get(b"Host: a/b\r\n")),
    "two lengths": (400, posted(HOST + LENGTH + LENGTH)),
    "two lengths in one": (400, posted(HOST + b"Content-Length: 34, 34\r\n")),
    "signed length": (400, posted(HOST + b"Content-Length: +34\r\n")),
    "negative length": (400, posted(HOST + b"Content-Length: -1\r\n")),
    "hexadecimal length": (400, posted(HOST + b"Content-Length: 0x22\r\n")),
    "endless length": (400, posted(HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n")),
    "length and chunks": (400, posted(HOST + LENGTH + b"Transfer-Encoding: chunked\r\n")),
    "chunks of HTTP/1.0": (400, chunked(BODY).replace(b"1.1", b"1.0")),
    "other coding": (501, chunked(BODY).replace(b"chunked", b"gzip, chunked")),
    "coding without an end": (501, chunked(BODY).replace(b"chunked", b"gzip")),
    "folded field": (400, get(HOST + b"X-A: b\r\n c\r\n")),
    "line feed alone": (400, get(HOST + b"X-A: b\nX-B: c\r\n")),
    "carriage return alone": (400, get(HOST + b"X-A: b\rX-B: c\r\n")),
    "space before the colon": (400, posted(HOST + b"Content-Length : 34\r\n")),
    "space before the name": (400, get(b" Host: x\r\n")),
    "no name": (400, get(HOST + b": b\r\n")),
    "no colon": (400, get(HOST + b"X-A\r\n")),
    "control character": (400, get(HOST + b"X-A: b\x00c\r\n")),
    "chunk size that is none": (400, chunked(BODY).replace(b"22\r\n", b"2g\r\n")),
    "signed chunk size": (400, chunked(BODY).replace(b"22\r\n", b"+22\r\n")),
    "chunk without its end": (400, chunked(BODY).replace(b"}\r\n0", b"}0\r\n")),
    "lines without CR": (400, get().replace(b"\r\n", b"\n")),
    "target with a space": (400, get(path=b"/a b")),
    "target beyond ASCII": (400, get(path=b"/\xc3\xa9")),
    "two types": (400, posted(HOST + LENGTH + JSON + JSON)),
    "other expectation": (417, post(b"Expect: 200-ok\r\n")),
    "websocket": (400, get(HOST + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n")),
    "websocket without connection": (400, get(HOST + b"Upgrade: websocket\r\n")),
    "unknown method": (501, get().replace(b"GET", b"BREW")),
    "proxy": (501, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HTTP/2.0": (505, get(version=b"2.0")),
    "preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00"),
    "zeros": (400, bytes(100)),
    "length beyond the limit": (413, post(body=bytes(MAX_BODY + 1))),
    "chunk beyond the limit": (413, chunked(bytes(MAX_BODY + 1))),
    "chunks beyond the limit": (413, chunked(*[b"ab"] * (MAX_BODY // 2), b"c")),
    "long head": (431, get(HOST + b"X-A: " + b"a" * memory.MAX_HEAD_BYTES + b"\r\n")),
    "long target": (431, get(path=b"/" + b"a" * memory.MAX_HEAD_BYTES)),
    "many fields": (431, get(HOST + b"A: b\r\n" * memory.MAX_FIELDS)),
    "head without an end": (431, get(HOST + b"A: b\r\n" * 50_000)),
}


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
def test_what_must_not_be_read_is_refused(status: int, data: bytes) -> None:
    refusal = Reader().refusal(data)
    assert refusal.status == status
    assert refusal.detail
    assert "None" not in refusal.detail
    reader = Reader(bound=1_000_000)
    drops = [data[n : n + 1] for n in range(len(data))]
    # A method that is none is refused at its first wrong byte, when nobody knows what it will be.
    assert reader.refusal(*drops).status == (400 if b"BREW" in data else status)
    reader.reading.close()
    assert reader.memory.held == 0


def test_nothing_is_known_of_a_request_before_it_is_read() -> None:
    reading = Reader().reading
    assert (reading.head, reading.deadline, reading.refused) == (None, None, None)
    assert reading.body == b""
    assert (reading.is_started, reading.is_complete, reading.keep_alive) == (False, False, True)
    reading.feed(memoryview(b"P"))
    assert reading.is_started is True


LIMITS = {
    "body": post(body=bytes(MAX_BODY)),
    "chunk": chunked(bytes(MAX_BODY)),
    "chunks": chunked(*[b"a"] * MAX_BODY),
    "head": get(HOST + b"X-A: " + b"a" * (memory.MAX_HEAD_BYTES - 50) + b"\r\n"),
    "fields": get(HOST + b"A: b\r\n" * (memory.MAX_FIELDS - 1)),
}


@pytest.mark.parametrize("data", LIMITS.values(), ids=LIMITS)
def test_limits_are_included(data: bytes) -> None:
    assert len(Reader(bound=1_000_000).feed(data).requests) == 1
    drops = [data[n : n + 1] for n in range(len(data))]
    assert len(Reader(bound=1_000_000).feed(*drops).requests) == 1


def long_head(size: int) -> bytes:
    """A request whose target and fields, each with its separators, are of that size."""
    rest = len(b"/health") + len(b"Host: x\r\n") + len(b"X-A: \r\n")
    return get(HOST + b"X-A: %b\r\n" % (b"a" * (size - rest)))


def test_the_longest_head_is_read_and_one_byte_more_is_not() -> None:
    Reader(bound=1_000_000).feed(long_head(memory.MAX_HEAD_BYTES))
    refused = Reader(bound=1_000_000).refusal(long_head(memory.MAX_HEAD_BYTES + 1))
    assert refused.status == 431


def test_as_much_is_read_without_an_end_of_the_head() -> None:
    start = get().removesuffix(b"\r\n") + b"X-A: "
    endless = start + b"a" * (memory.MAX_HEAD_BYTES - len(start))
    reader = Reader(bound=1_000_000).feed(endless)
    assert reader.refusal(b"a").status == 431


@pytest.mark.parametrize("before", [b"", b"22\r\n" + BODY], ids=["head", "chunk"])
def test_as_much_is_read_after_the_head_that_is_no_body(before: bytes) -> None:
    """Extensions of chunks here; what counts begins anew with the head and with each chunk."""
    head = chunked().removesuffix(b"0\r\n\r\n")
    start = b"\r\n1;a=" if before else b"1;a="
    reader = Reader(bound=1_000_000).feed(head, *([before] if before else []), start)
    reader.feed(b"b" * (memory.MAX_HEAD_BYTES - len(start)))
    assert reader.refusal(b"b").status == 431


def test_the_end_of_a_head_in_single_bytes_is_seen_before_what_is_sent_ahead() -> None:
    first = get()
    drops = [first[n : n + 1] for n in range(len(first) - 1)]
    assert len(Reader().feed(*drops, first[-1:] + get()).requests) == 2


@pytest.mark.parametrize(
    "endless", [b"a" * 1000, b"X-A: b\r\n" * 100], ids=["one-field", "many-fields"]
)
def test_a_trailer_ends_or_is_refused(endless: bytes) -> None:
    start = chunked(BODY).removesuffix(b"\r\n")
    refusal = Reader().refusal(start, *[endless] * 100)
    assert (refusal.status, str(memory.MAX_HEAD_BYTES) in refusal.detail) == (431, True)


def test_an_extension_of_a_chunk_ends_or_is_refused() -> None:
    start = chunked().removesuffix(b"0\r\n\r\n")
    assert Reader().refusal(start + b"1;a=", *[b"b" * 1000] * 100).status == 431


@pytest.mark.parametrize(("size", "accepted"), [(1, False), (60, False), (64, True), (500, True)])
def test_a_long_body_comes_in_chunks_worth_their_work(size: int, *, accepted: bool) -> None:
    reading = Reading(Bounds(10**7, 5000, Memory(10**9)))
    chunks = memory.MAX_SMALL_CHUNKS * 20
    data = memoryview(chunked(*[b"a" * size] * chunks))
    if accepted:
        reading.feed(data)
        assert len(reading.body) == size * chunks
    else:
        with pytest.raises(RequestError, match=r"413.*64 bytes"):
            reading.feed(data)


def test_empty_lines_end_or_are_refused() -> None:
    assert Reader(bound=1_000_000).refusal(*[b"\r\n" * 500] * 100).status == 431


@pytest.mark.parametrize(
    ("fields", "version", "kept"),
    [
        (b"", b"1.1", True),
        (b"Connection: close\r\n", b"1.1", False),
        (b"Connection: Keep-Alive, Close\r\n", b"1.1", False),
        (b"", b"1.0", False),
        (b"Connection: keep-alive\r\n", b"1.0", True),
    ],
)
def test_whether_the_connection_lives_on(fields: bytes, version: bytes, *, kept: bool) -> None:
    reader = Reader()
    reader.reading.feed(memoryview(get(HOST + fields, version=version)))
    assert reader.reading.is_complete
    assert reader.reading.keep_alive is kept


@pytest.mark.parametrize("expectation", [b"100-continue", b"100-Continue"])
def test_a_client_may_wait_for_a_go_ahead(expectation: bytes) -> None:
    reader = Reader()
    data = post(b"Expect: %b\r\n" % expectation)
    seen = []
    for piece in (data.removesuffix(BODY), BODY):
        reader.reading.feed(memoryview(piece))
        seen.append(reader.reading.awaits_continue)
    assert seen == [True, False]
    assert reader.reading.body == BODY


def test_a_wrong_deadline_is_refused_and_the_connection_lives_on() -> None:
    reader = Reader()
    reader.reading.feed(memoryview(post(b"X-Request-Timeout-Ms: soon\r\n")))
    assert reader.reading.is_complete
    assert reader.reading.refused is not None
    assert reader.reading.keep_alive


def test_heads_and_bodies_together_hold_up_to_the_bound() -> None:
    shared = Memory(BOUND)
    bounds = Bounds(MAX_BODY, 5000, shared)
    head, body = post(body=bytes(MAX_BODY)).split(b"\r\n\r\n")
    held = [Reading(bounds) for _ in range(BOUND // MAX_BODY)]
    for reading in held:
        reading.feed(memoryview(head + b"\r\n\r\n" + body[:-1]))
    assert shared.held == BOUND - len(held)
    late = Reading(bounds)
    with pytest.raises(RequestError, match="503"):
        late.feed(memoryview(get()[:-1]))
    with pytest.raises(RequestError, match="503"):
        Reading(bounds).feed(memoryview(head + b"\r\n\r\n" + body[:-1]))
    for reading in held:
        reading.feed(memoryview(body[-1:]))
        assert reading.body == bytes(MAX_BODY)
        reading.reset()
    late.close()
    assert shared.held <= len(get())
