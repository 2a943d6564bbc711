"""Whatever arrives, its answer is HTTP, is counted and, unless it is fine, logged with its id.

h11, which shares nothing with the service, reads the answers.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import h11
import pytest

from tests import trained
from tests.app.front.requests import HOST, chunked, get, post
from tests.app.live import LiveService
from tests.app.traffic import connect

TIMEOUT_SECONDS = 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One worker, so that what it counts is there at once."""
    log = tmp_path_factory.mktemp("answers") / "log"
    running = LiveService(trained.bundle("iris"), log, {"WORKERS": "1"})
    running.wait_ready()
    yield running
    running.stop()


def answers(
    service: LiveService, data: bytes, methods: list[str]
) -> list[tuple[h11.Response, bytes]]:
    """What comes back for the bytes: one answer for each method of a request in them."""
    found = []
    with connect(service.port) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(data)
        rest = b""
        for method in methods:
            reader = h11.Connection(h11.CLIENT)
            reader.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
            reader.send(h11.EndOfMessage())
            response, body, rest = _answer(connection, reader, rest)
            found.append((response, body))
    return found


def _answer(
    connection: socket.socket, reader: h11.Connection, data: bytes
) -> tuple[h11.Response, bytes, bytes]:
    response, body = None, b""
    if data:
        reader.receive_data(data)
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            reader.receive_data(connection.recv(65_536))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            return response, body, reader.trailing_data[0]
        else:
            assert isinstance(event, h11.InformationalResponse), event


def fields(response: h11.Response) -> dict[str, str]:
    """Its header, each field of which is there once."""
    pairs = [(name.decode(), value.decode()) for name, value in response.headers]
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


OPTIONS = b"OPTIONS /predict HTTP/1.1\r\nHost: x\r\n\r\n"
# Bytes, the method by which their answer is read, its status, and whether the connection lives on.
ASKED = {
    "index": (get(path=b"/"), "GET", 200, True),
    "health": (get(), "GET", 200, True),
    "head": (get().replace(b"GET", b"HEAD"), "HEAD", 200, True),
    "prediction": (post(), "POST", 200, True),
    "prediction, closing": (post(b"Connection: close\r\n"), "POST", 200, False),
    "prediction, HTTP/1.0": (post().replace(b"1.1", b"1.0"), "POST", 200, False),
    "expecting": (post(b"Expect: 100-continue\r\n"), "POST", 200, True),
    "absolute": (post(path=b"http://other/predict"), "POST", 200, True),
    "two slashes": (post(path=b"//predict"), "POST", 200, True),
    "upgrade to h2c": (post(b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), "POST", 200, True),
    "options": (OPTIONS, "OPTIONS", 204, True),
    "options of nothing": (OPTIONS.replace(b"/predict", b"/nothing"), "OPTIONS", 404, True),
    "nothing": (get(path=b"/nothing"), "GET", 404, True),
    "bytes in the path": (get(path=b"/%ff%00%0d%0a"), "GET", 404, True),
    "slash at the end": (get(path=b"/health/"), "GET", 404, True),
    "other method": (get(path=b"/predict"), "GET", 405, True),
    "other method of a prediction": (post().replace(b"POST", b"PUT"), "PUT", 405, True),
    "wrong deadline": (post(b"X-Request-Timeout-Ms: soon\r\n"), "POST", 400, True),
    "unknown method": (get().replace(b"GET", b"BREW"), "GET", 501, False),
    "proxy": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET", 501, False),
    "websocket": (
        get(HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), "GET", 400, False,
    ),
    "no host": (get(b""), "GET", 400, False),
    "length and chunks": (chunked(b"a", fields=b"Content-Length: 1\r\n"), "POST", 400, False),
    "endless length": (get(HOST + b"Content-Length: %b\r\n" % (b"9" * 5000)), "GET", 400, False),
    "too large": (post(body=b" " * 2_000_000), "POST", 413, False),
    "expectation": (post(b"Expect: miracle\r\n"), "POST", 417, False),
    "long head": (get(HOST + b"X: %b\r\n" % (b"a" * 40_000)), "GET", 431, False),
    "many fields": (get(HOST + b"X: a\r\n" * 200), "GET", 431, False),
    "other version": (get(version=b"2.0"), "GET", 505, False),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", "GET", 400, False),
}  # fmt: skip


@pytest.mark.parametrize(("data", "method", "status", "kept"), ASKED.values(), ids=ASKED)
def test_every_answer_is_whole_counted_and_logged(
    service: LiveService, data: bytes, method: str, status: int, *, kept: bool
) -> None:
    pattern = rf'ml_requests_total{{code="{status}",[^}}]*}}'
    before = service.metric(pattern)
    ((response, body),) = answers(service, data, [method])
    header = fields(response)
    assert response.status_code == status, body
    assert header["server"] == "ml-model"
    assert header["x-request-id"]
    assert "location" not in header
    assert ("connection" not in header) is kept
    own = 1 if status == 200 else 0
    assert service.metric(pattern) >= before + 1 + own
    if status >= 400:
        document = json.loads(body)
        assert header["content-type"] == "application/problem+json"
        assert (document["status"], document["request_id"]) == (status, header["x-request-id"])
        lines = service.events("request_rejected")
        (line,) = [line for line in lines if line["request_id"] == header["x-request-id"]]
        assert (line["status"], line["level"]) == (status, "WARNING")
    if status in (204, 405):
        assert "OPTIONS" in header["allow"]
    if status == 204 or method == "HEAD":
        assert body == b""


def test_answers_come_in_the_order_of_their_requests(service: LiveService) -> None:
    data = post() + get(path=b"/nothing") + post(body=b"{}") + get() + chunked(b"{")
    found = answers(service, data, ["POST", "GET", "POST", "GET", "POST"])
    assert [response.status_code for response, _ in found] == [200, 404, 422, 200, 400]


def test_what_is_wrong_after_a_request_is_said_after_its_answer(service: LiveService) -> None:
    found = answers(service, post() + b"nonsense\r\n\r\n", ["POST", "GET"])
    assert [response.status_code for response, _ in found] == [200, 400]


def test_after_a_close_nothing_more_is_answered(service: LiveService) -> None:
    with connect(service.port) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(post(b"Connection: close\r\n") + post())
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 ") == 1
