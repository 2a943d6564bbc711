"""How a request arrives: slowly, in part, too much of it, or as something else than HTTP."""

from __future__ import annotations

import contextlib

import pytest

from tests.app import live
from tests.app.live import LiveService
from tests.app.traffic import BODY, JSON, RAW_BODY, SlowBody, connect, read_to_end

SLOW_CLIENTS = 50
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def service() -> LiveService:
    """The iris model; every test leaves it as it was."""
    return live.shared("iris")


def assert_others_are_served(service: LiveService) -> None:
    """A prediction and the probes, for somebody else."""
    service.reconnect()
    assert service.client.post("/predict", json=BODY).status_code == 200
    for path in ("/health", "/ready", "/metrics"):
        assert service.client.get(path).status_code == 200


def test_bodies_that_stay_away_hold_nobody_up_and_are_a_408(service: LiveService) -> None:
    slow = [SlowBody(service.port, timeout_ms=500) for _ in range(SLOW_CLIENTS)]
    waiting = SlowBody(service.port)
    # The one that has more time is still being read while others come and go.
    assert_others_are_served(service)
    for client in slow:
        assert client.answer().startswith(b"HTTP/1.1 408 ")
    assert b'"prediction":"setosa"' in waiting.finish()


def test_heads_that_stay_away_hold_nobody_up(service: LiveService) -> None:
    slow = [connect(service.port) for _ in range(SLOW_CLIENTS)]
    for connection in slow:
        connection.sendall(HEAD)
    assert_others_are_served(service)
    for connection in slow:
        connection.close()


def test_clients_that_do_not_read_hold_nobody_up(service: LiveService) -> None:
    deaf = [connect(service.port) for _ in range(5)]
    for connection in deaf:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    assert_others_are_served(service)
    for connection in deaf:
        connection.close()


def test_clients_that_leave_in_the_middle_of_a_body_harm_nobody(service: LiveService) -> None:
    before = len(service.events("error"))
    for _ in range(20):
        SlowBody(service.port).close()
    assert_others_are_served(service)
    assert len(service.events("error")) == before


def test_ten_megabytes_are_refused_before_they_are_sent(service: LiveService) -> None:
    with connect(service.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 10000000\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    assert_others_are_served(service)


def test_ten_megabytes_without_a_length_are_cut_off_at_the_limit(service: LiveService) -> None:
    chunks = (b" " * 65536 for _ in range(160))
    answer = service.client.post("/predict", content=chunks, headers={"Content-Type": JSON})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:ml-model:problem:too-large"
    assert_others_are_served(service)


def test_a_body_that_ends_early_is_never_predicted(service: LiveService) -> None:
    before = service.metric("ml_batch_rows_sum")
    with connect(service.port) as connection:
        head = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (len(RAW_BODY) + 1)
        connection.sendall(head + RAW_BODY)
        connection.shutdown(1)
        assert b"200 OK" not in read_to_end(connection)
    assert service.metric("ml_batch_rows_sum") == before
    assert_others_are_served(service)


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
        pytest.param(b"\0" * 1000 + b"\r\n\r\n", id="zeros"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="negative-length"),
        pytest.param(HEAD + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", id="two-lengths"),
        pytest.param(
            HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length-and-chunks",
        ),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="no-chunk"),
        pytest.param(HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n", id="endless-header"),
    ],
)
def test_what_is_no_http_is_refused(service: LiveService, junk: bytes) -> None:
    with connect(service.port) as connection:
        answer = b""
        # It may be closed before all of it was sent.
        with contextlib.suppress(ConnectionError):
            connection.sendall(junk)
            answer = connection.recv(1000)
        assert answer[:10] in (b"HTTP/1.1 4", b"")
    assert_others_are_served(service)
