"""No client exceeds a maximum that the settings promise, on whichever way its request comes in.

Against a service of its own with small limits; what is sent is built here, byte by byte.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from app.settings import Settings
from tests import trained
from tests.app.conftest import make_client
from tests.app.live import LiveService
from tests.app.traffic import connect, read_to_end

BODY_BYTES = 600
ROWS = 3
IN_FLIGHT = 2
TIMEOUT_MS = 700
ROW = [5.1, 3.5, 1.4, 0.2]
# Far beyond the service's own: ten minutes.
PATIENT = {"X-Request-Timeout-Ms": "600000"}
LIMITS = {
    "WORKERS": "1",
    "MAX_BODY_BYTES": str(BODY_BYTES),
    "MAX_BATCH_ROWS": str(ROWS),
    "MAX_IN_FLIGHT": str(IN_FLIGHT),
    "REQUEST_TIMEOUT_MS": str(TIMEOUT_MS),
}


def instances(count: int) -> dict[str, Any]:
    return {"instances": [ROW] * count}


def tensor(count: int) -> dict[str, Any]:
    matrix = {"name": "x", "datatype": "FP64", "shape": [count, 4], "data": ROW * count}
    return {"inputs": [matrix]}


# Every kind of URL that predicts, and how it says that many rows.
PATHS: dict[str, Callable[[int], dict[str, Any]]] = {
    "/predict": instances,
    "/predict/batch": instances,
    "/invocations": instances,
    "/v1/models/iris:predict": instances,
    "/v2/models/iris/infer": tensor,
    "/v2/models/iris/versions/1.0.0/infer": tensor,
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that is answered inline."""
    service = LiveService(trained.bundle("iris"), tmp_path_factory.mktemp("quick") / "log", LIMITS)
    service.wait_ready()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that takes tens of milliseconds, and may take one."""
    environ = {**LIMITS, "REQUEST_TIMEOUT_MS": "1"}
    service = LiveService(trained.slow_bundle(), tmp_path_factory.mktemp("slow") / "log", environ)
    service.wait_ready()
    yield service
    service.stop()


def padded(path: str, size: int) -> bytes:
    """A good request of exactly that many bytes."""
    return json.dumps(PATHS[path](1)).encode().ljust(size)


def head(path: str, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def in_one_packet(connection: socket.socket, path: str, body: bytes) -> None:
    """What is answered without parser and task, when it is small enough."""
    connection.sendall(head(path, f"Content-Length: {len(body)}") + body)


def head_first(connection: socket.socket, path: str, body: bytes) -> None:
    connection.sendall(head(path, f"Content-Length: {len(body)}"))
    connection.sendall(body)


def in_drops(connection: socket.socket, path: str, body: bytes) -> None:
    """Slower than the connection waits for the rest of a plain request."""
    connection.sendall(head(path, f"Content-Length: {len(body)}") + body[:-1])
    time.sleep(0.05)
    connection.sendall(body[-1:])


def through_the_parser(connection: socket.socket, path: str, body: bytes) -> None:
    connection.sendall(head(path, f"Content-Length: {len(body)}", "Connection: close") + body)


def in_chunks(connection: socket.socket, path: str, body: bytes) -> None:
    """Of a length that nobody announced."""
    middle = len(body) // 2
    connection.sendall(head(path, "Transfer-Encoding: chunked") + chunk(body[:middle]))
    time.sleep(0.05)
    connection.sendall(chunk(body[middle:]) + chunk(b""))


def in_one_chunk(connection: socket.socket, path: str, body: bytes) -> None:
    connection.sendall(head(path, "Transfer-Encoding: chunked") + chunk(body) + chunk(b""))


WAYS = (in_one_packet, head_first, in_drops, through_the_parser, in_chunks, in_one_chunk)
Way = Callable[[socket.socket, str, bytes], None]


def status(service: LiveService, way: Way, path: str, body: bytes) -> int:
    with connect(service.port) as connection:
        way(connection, path, body)
        return int(connection.recv(65536).split(b" ")[1])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("path", PATHS)
def test_a_body_is_read_up_to_its_maximum(quick: LiveService, path: str, way: Way) -> None:
    assert status(quick, way, path, padded(path, BODY_BYTES)) == 200
    assert status(quick, way, path, padded(path, BODY_BYTES + 1)) == 413
    assert status(quick, way, path, padded(path, 20 * BODY_BYTES)) == 413


@pytest.mark.parametrize("size", [BODY_BYTES + 1, 100 * BODY_BYTES])
def test_a_large_body_is_refused_by_its_announcement(quick: LiveService, size: int) -> None:
    with connect(quick.port) as connection:
        connection.sendall(head("/predict", f"Content-Length: {size}"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", PATHS)
def test_a_request_has_rows_up_to_their_maximum(quick: LiveService, path: str) -> None:
    assert quick.client.post(path, json=PATHS[path](ROWS)).status_code == 200
    assert quick.client.post(path, json=PATHS[path](ROWS + 1)).status_code == 422


@pytest.mark.parametrize("headers", [PATIENT, {}, {"X-Request-Timeout-Ms": "999999999"}])
@pytest.mark.parametrize("path", ["/predict", "/v1/models/slow:predict"])
def test_no_client_gets_more_time_than_the_maximum(
    slow: LiveService, path: str, headers: dict[str, str]
) -> None:
    before = slow.metric("ml_deadline_exceeded_total")
    answer = slow.client.post(path, json=instances(1), headers=headers)
    assert answer.status_code == 504
    assert slow.metric("ml_deadline_exceeded_total") == before + 1
    assert slow.metric("ml_batch_rows_sum") == 0


@pytest.mark.parametrize("headers", [PATIENT, {}])
def test_no_client_gets_more_time_from_a_wsgi_server(headers: dict[str, str]) -> None:
    client = make_client(trained.slow_bundle(), REQUEST_TIMEOUT_MS="1")
    assert client.post("/predict", json=instances(1), headers=headers).status_code == 504
    assert "\nml_deadline_exceeded_total 1.0\n" in client.get("/metrics").text


def test_a_client_may_ask_for_less_than_the_maximum() -> None:
    client = make_client(trained.slow_bundle(), REQUEST_TIMEOUT_MS="600000")
    for value, expected in (("1", 504), ("600000", 200)):
        headers = {"X-Request-Timeout-Ms": value}
        answer = client.post("/predict", json=instances(1), headers=headers)
        assert answer.status_code == expected


@pytest.mark.parametrize("more", [["X-Request-Timeout-Ms: 600000"], []])
@pytest.mark.parametrize("path", ["/predict", "/health", "/nowhere"])
def test_no_body_takes_more_time_than_the_maximum(
    quick: LiveService, path: str, more: list[str]
) -> None:
    started = time.monotonic()
    with connect(quick.port) as connection:
        lines = ["Content-Length: 300", "Connection: close", *more]
        connection.sendall(head(path, *lines) + b"[")
        answer = read_to_end(connection)
    seconds = time.monotonic() - started
    assert answer.startswith(b"HTTP/1.1 408 ")
    # The limit itself, and a busy machine; ten minutes were asked for.
    assert TIMEOUT_MS / 1000 <= seconds < 30


def test_no_more_requests_are_held_than_the_maximum(tmp_path_factory: Any) -> None:
    environ = {**LIMITS, "REQUEST_TIMEOUT_MS": "60000"}
    log = tmp_path_factory.mktemp("held") / "log"
    service = LiveService(trained.slow_bundle(), log, environ)
    try:
        service.wait_ready()
        body = json.dumps({"features": ROW}).encode()
        connections = [connect(service.port) for _ in range(6 * IN_FLIGHT)]
        for connection in connections:
            in_one_packet(connection, "/predict", body)
        statuses = [int(connection.recv(65536).split(b" ")[1]) for connection in connections]
        for connection in connections:
            connection.close()
    finally:
        service.stop()
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= IN_FLIGHT


def test_every_maximum_of_a_client_is_tested_here() -> None:
    named = {entry.name for entry in fields(Settings) if entry.name.startswith("max_")}
    longest = {entry.name for entry in fields(Settings) if entry.name.endswith("_timeout_ms")}
    assert {name.upper() for name in named | longest} == LIMITS.keys() - {"WORKERS"}
