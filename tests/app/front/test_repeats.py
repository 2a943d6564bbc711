"""A head that a client sends again, byte by byte: read once, and never for what it is not."""

from __future__ import annotations

import pytest

from app.front.reading import MAX_REMEMBERED_BYTES
from tests.app.front.reader import WHOLE, Reader
from tests.app.front.requests import BODY, HOST, chunked, get, post


@pytest.mark.parametrize("cut", [0, 1, 40, len(post()) - 1])
def test_repeated_head_is_read_as_the_first_time(cut: int) -> None:
    """Whatever comes after it: another body, a longer one, a cut one, a request with more."""
    asked = [
        post(), post(body=BODY[::-1]), post(body=BODY + b" "), post(), get(), get(),
        post(b"A: b\r\n"), post(b"A: c\r\n"), post(b"A: c\r\n"), b"\r\n\r\n" + post(), post(),
        post() + b"\r\n", post() + b"\r\n", post(body=b"\r\n" + BODY[2:]), post(),
        chunked(BODY), chunked(BODY[::-1]), post(body=b""), post(body=b""), post(),
    ]  # fmt: skip
    kept = Reader()
    for data in asked:
        kept.feed(*filter(None, (data[:cut], data[cut:])))
    fresh = [Reader().feed(data).requests[0] for data in asked]
    assert kept.requests == fresh
    assert kept.memory.held == 0


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_the_same_request_again_is_the_same(data: bytes) -> None:
    reader = Reader().feed(data, data, data)
    assert reader.requests == [reader.requests[0]] * 3


def test_a_repeated_head_is_read_once_and_its_deadline_begins_anew() -> None:
    """The saving itself: what was said of the same bytes is the same object."""
    reader = Reader()
    data = post(b"X-Request-Timeout-Ms: 3000\r\n")
    heads, deadlines = [], []
    for body in (data, data.replace(BODY, BODY[::-1])):
        assert reader.reading.feed(memoryview(body)) == len(body)
        heads.append(reader.reading.head)
        deadlines.append(reader.reading.deadline)
        reader.reading.reset()
    assert heads[0] is heads[1]
    assert deadlines[1] is not None
    assert deadlines[1] is not deadlines[0]
    assert 0 < deadlines[1].remaining_seconds() <= 3


@pytest.mark.parametrize(("more", "remembered"), [(0, True), (1, False)])
def test_only_a_short_head_is_remembered(more: int, *, remembered: bool) -> None:
    plain = get(HOST + b"X-A: \r\n")
    value = b"a" * (MAX_REMEMBERED_BYTES - len(plain) + more)
    data = memoryview(get(HOST + b"X-A: %b\r\n" % value))
    reading = Reader().reading
    heads = []
    for _ in range(2):
        reading.feed(data)
        heads.append(reading.head)
        reading.reset()
    assert (heads[0] is heads[1]) is remembered


def test_a_chunk_with_a_blank_line_is_not_taken_for_the_end_of_a_head() -> None:
    """Without its body the message ends, up to there, with a blank line."""
    data = chunked(b"abc\r\n\r\n" + b"d" * 27)
    reader = Reader().feed(data, data)
    assert reader.requests[0] == reader.requests[1]


def test_what_is_around_a_request_is_no_part_of_its_head() -> None:
    """Empty lines after a request, which end where a body may begin."""
    reader = Reader().feed(post(body=b"") + b"\r\n", post(body=b""), post(body=b""))
    reader.feed(b"\r\n" + get(), get(), b"\r\n" + get())
    assert [request[3] for request in reader.requests] == [b""] * 6


def test_request_that_ends_its_connection_is_not_repeated() -> None:
    last = post(b"Connection: close\r\n")
    assert Reader().feed(last).refusal(last).status == 400


def test_request_that_is_refused_is_not_repeated() -> None:
    reader = Reader()
    for _ in range(2):
        reader.reading.feed(memoryview(post(b"X-Request-Timeout-Ms: x\r\n")))
        assert reader.reading.refused is not None
        reader.reading.reset()
