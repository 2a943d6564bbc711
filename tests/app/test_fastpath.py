"""Requests that are answered without the parser: only what the parser would read the same way."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.asgi.parser import CallbackRequest, PythonProtocol

from app import fastpath
from tests import trained
from tests.app.live import LiveService

LINE = b"POST /predict HTTP/1.1\r\n"
BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
HOST = b"Host: x\r\n"
TYPE = b"Content-Type: application/json\r\n"

NOT_PLAIN = {
    "no host": LENGTH,
    "no length": HOST,
    "two lengths": HOST + LENGTH + LENGTH,
    "two lengths in one": HOST + b"Content-Length: 34, 34\r\n",
    "signed length": HOST + b"Content-Length: +34\r\n",
    "negative length": HOST + b"Content-Length: -1\r\n",
    "hexadecimal length": HOST + b"Content-Length: 0x22\r\n",
    "huge length": HOST + b"Content-Length: 99999999999\r\n",
    "shorter length": HOST + b"Content-Length: 5\r\n",
    "chunked": HOST + LENGTH + b"Transfer-Encoding: chunked\r\n",
    "chunked in disguise": HOST + LENGTH + b"transfer-ENCODING: x\r\n",
    "expecting a go-ahead": HOST + LENGTH + b"Expect: 100-continue\r\n",
    "upgrade": HOST + LENGTH + b"Upgrade: h2c\r\n",
    "closing": HOST + LENGTH + b"Connection: close\r\n",
    "several connection options": HOST + LENGTH + b"Connection: keep-alive, upgrade\r\n",
    "folded field": HOST + LENGTH + b"X-A: b\r\n c\r\n",
    "line feed alone": HOST + LENGTH + b"X-A: b\nX-B: c\r\n",
    "carriage return alone": HOST + LENGTH + b"X-A: b\rX-B: c\r\n",
    "space before the colon": HOST + b"Content-Length : 34\r\n",
    "space before the name": HOST + b" Content-Length: 34\r\n",
    "no name": HOST + LENGTH + b": b\r\n",
    "no colon": HOST + LENGTH + b"X-A\r\n",
    "underscore": HOST + b"Content_Length: 34\r\n" + LENGTH,
    "control character": HOST + LENGTH + b"X-A: b\x00c\r\n",
    "beyond ASCII": HOST + LENGTH + "X-A: é\r\n".encode(),
    "two hosts": HOST + HOST + LENGTH,
    "too many fields": HOST + LENGTH + b"".join(b"X-%d: a\r\n" % n for n in range(60)),
    "too large a head": HOST + LENGTH + b"X-A: " + b"a" * 5000 + b"\r\n",
}  # fmt: skip


def read(fields: bytes, body: bytes = BODY) -> fastpath.Plain | None:
    """What `plain` makes of a request with these header fields."""
    return fastpath.read(LINE + fields + b"\r\n" + body, len(LINE))


@pytest.mark.parametrize("fields", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_parser(fields: bytes) -> None:
    assert read(fields) is None


def test_a_plain_request_is_read_in_one_go() -> None:
    request = read(HOST + TYPE + LENGTH + b"X-A: \t b c \r\nConnection: Keep-Alive\r\n")
    assert request is not None
    assert (request.body, request.missing) == (BODY, 0)
    assert request.headers["x-a"] == "b c"
    assert request.headers["content-type"] == "application/json"


def test_more_than_one_request_is_not_plain() -> None:
    assert read(HOST + LENGTH, BODY + LINE) is None


def test_a_body_on_its_way_is_missing_some_bytes() -> None:
    request = read(HOST + LENGTH, BODY[:-3])
    assert request is not None
    assert request.missing == 3


class Parsed:
    """What gunicorn's parser makes of the same bytes."""

    def __init__(self, data: bytes) -> None:
        self.body = b""
        parser = PythonProtocol(on_body=self._more)
        parser.feed(data)
        self.complete = parser.is_complete and not parser.remaining()
        request = CallbackRequest.from_parser(parser)
        self.closes = request.should_close()
        self.headers = {name.decode(): value.decode() for name, value in request.headers_bytes}

    def _more(self, chunk: bytes) -> None:
        self.body += chunk


PIECES = (
    HOST, TYPE, LENGTH, b"X-Request-ID: a-1\r\n", b"Connection: keep-alive\r\n", b"X-A:\r\n",
    b"X-A: \t\r\n", b"Accept: */*\r\n", b'X-A: "(),/:;<=>?@[\\]{}"\r\n', b"X_A: b\r\n", b"\n",
    b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b" folded\r\n", b"\r", b"X\r\n",
    b"Connection: close\r\n", b"content-length:34\r\n", b"X-A: \x7f\r\n", b"host:y\r\n",
)  # fmt: skip


def test_whatever_is_plain_the_parser_reads_the_same_way() -> None:
    chance = random.Random(7)  # noqa: S311 - the same requests every time
    plain_ones = 0
    for _ in range(20_000):
        some = [HOST, LENGTH, *chance.sample(PIECES, chance.randint(0, 4))]
        fields = b"".join(chance.sample(some, len(some)))
        if chance.random() < 0.3:
            at = chance.randrange(len(fields))
            fields = fields[:at] + bytes([chance.randrange(256)]) + fields[at + 1 :]
        found = read(fields)
        if found is None or found.missing:
            continue
        plain_ones += 1
        parsed = Parsed(LINE + fields + b"\r\n" + BODY)
        assert (parsed.body, parsed.headers) == (found.body, found.headers), fields
        assert parsed.complete, fields
        assert not parsed.closes, fields
    # Otherwise this would show nothing.
    assert plain_ones > 500


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One worker, so that all connections meet."""
    log = tmp_path_factory.mktemp("plain") / "log"
    started = LiveService(trained.bundle("iris"), log, {"WORKERS": "1"})
    started.wait_ready()
    yield started
    started.stop()


def talk(port: int, *parts: bytes, wait: float = 0.0) -> tuple[dict[str, str], Any]:
    """Send parts of one request with a pause between them; the headers and body of its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The first request of a connection may come before anybody listens to it.
        for first in (True, False):
            for number, part in enumerate(parts):
                if number and not first:
                    connection.settimeout(wait or 0.001)
                    with pytest.raises(TimeoutError):
                        connection.recv(1)
                    connection.settimeout(10)
                connection.sendall(part)
            head, body = answer(connection)
    fields = [line.partition(": ") for line in head.splitlines()[1:]]
    return {name: value for name, _, value in fields} | {"": head.splitlines()[0]}, json.loads(body)


def answer(connection: socket.socket) -> tuple[str, bytes]:
    """Head and body of the next answer on a connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(10_000)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-len"))
    while len(body) < length:
        body += connection.recv(10_000)
    return head.decode(), body


HEAD = LINE + HOST + TYPE + LENGTH + b"X-Request-ID: same\r\n\r\n"
WAYS = {
    "whole": ((HEAD + BODY,), 0.0),
    "head and body apart": ((HEAD, BODY), 0.0),
    "body in two": ((HEAD + BODY[:5], BODY[5:]), 0.0),
    "head in two": ((HEAD[:30], HEAD[30:] + BODY), 0.0),
    "body in drops": ((HEAD, BODY[:5], BODY[5:9], BODY[9:]), 0.0),
    "body late": ((HEAD, BODY), 0.1),
    "body in two, late": ((HEAD + BODY[:5], BODY[5:]), 0.1),
    "not plain": ((LINE + HOST + TYPE + LENGTH + b"X-Request-ID: same\r\nX_A: b\r\n\r\n", BODY), 0),
}  # fmt: skip


def test_the_answer_does_not_depend_on_how_a_request_arrives(service: LiveService) -> None:
    answers = {name: talk(service.port, *parts, wait=wait) for name, (parts, wait) in WAYS.items()}
    for headers, _ in answers.values():
        headers.pop("Date")
    headers, expected = answers["whole"]
    expected_headers = {key.lower(): value for key, value in headers.items()}
    assert expected["prediction"] == "setosa"
    for name, (headers, document) in answers.items():
        assert document == expected, name
        assert {key.lower(): value for key, value in headers.items()} == expected_headers, name
    # Each way was gone twice; every request was counted and logged once.
    assert service.metric('ml_requests_total{route="/predict",code="200",.*}') == 2 * len(WAYS)
    assert len(service.events("prediction_completed")) == 2 * len(WAYS)


def test_requests_in_one_packet_are_answered_in_their_order(service: LiveService) -> None:
    requests = [
        LINE + HOST + TYPE + LENGTH + b"X-Request-ID: r-%d\r\n\r\n" % number + BODY
        for number in range(20)
    ]
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(requests[0])
        answer(connection)
        connection.sendall(requests[1])
        connection.sendall(b"".join(requests[2:]))
        stream = connection.makefile("rb")
        ids: list[int] = []
        while len(ids) < 19:
            line = stream.readline().lower()
            if line.startswith(b"x-request-id: "):
                ids.append(int(line[16:]))
    assert ids == list(range(1, 20))


def test_a_line_is_logged_before_its_answer_is_sent(service: LiveService) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        for number in range(50):
            text = f"before-{number}"
            head = LINE + HOST + TYPE + LENGTH + f"X-Request-ID: {text}\r\n\r\n".encode()
            connection.sendall(head + BODY)
            answer(connection)
            assert text in service.log()
