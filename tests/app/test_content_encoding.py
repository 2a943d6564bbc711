"""Compressed bodies are answered alike on every route, in the loop, in the thread, and by Flask."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from app.admission import Deadline
from app.estimates import INLINE_SECONDS
from app.front.front import Front
from app.protocols.frames import HEADER
from app.request import Request
from tests import trained
from tests.app.conftest import make_client, make_service
from tests.app.front.waiting import Waiting
from tests.app.live import LiveService
from tests.app.test_admission_limits import PATHS, chunk
from tests.app.traffic import connect

LIMIT = 2_000
TOO_LARGE = b" " * 1_000_000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that is answered inline."""
    environ = {"WORKERS": "1", "MAX_BODY_BYTES": str(LIMIT), "LOG_LEVEL": "error"}
    log = tmp_path_factory.mktemp("quick") / "log"
    service = LiveService(trained.bundle("iris"), log, environ)
    service.wait_ready()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that is answered in the thread."""
    environ = {"WORKERS": "1", "MAX_BODY_BYTES": str(LIMIT), "LOG_LEVEL": "error"}
    log = tmp_path_factory.mktemp("slow") / "log"
    service = LiveService(trained.slow_bundle(), log, environ)
    service.wait_ready()
    yield service
    service.stop()


def head(path: str, coding: str, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Encoding: {coding}", *more, "", ""]).encode()


def in_one_packet(connection: socket.socket, path: str, coding: str, body: bytes) -> None:
    connection.sendall(head(path, coding, f"Content-Length: {len(body)}") + body)


def in_drops(connection: socket.socket, path: str, coding: str, body: bytes) -> None:
    connection.sendall(head(path, coding, f"Content-Length: {len(body)}") + body[:-1])
    time.sleep(0.05)
    connection.sendall(body[-1:])


def closing(connection: socket.socket, path: str, coding: str, body: bytes) -> None:
    connection.sendall(
        head(path, coding, f"Content-Length: {len(body)}", "Connection: close") + body
    )


def in_chunks(connection: socket.socket, path: str, coding: str, body: bytes) -> None:
    middle = len(body) // 2
    connection.sendall(head(path, coding, "Transfer-Encoding: chunked") + chunk(body[:middle]))
    time.sleep(0.02)
    connection.sendall(chunk(body[middle:]) + chunk(b""))


WAYS = (in_one_packet, in_drops, closing, in_chunks)
Way = Callable[[socket.socket, str, str, bytes], None]


def status(service: LiveService, way: Way, path: str, coding: str, body: bytes) -> int:
    with connect(service.port) as connection:
        way(connection, path, coding, body)
        return int(connection.recv(65536).split(b" ")[1])


def good(path: str) -> bytes:
    return json.dumps(PATHS[path](2)).encode()


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("path", PATHS)
def test_every_route_and_way_inflates_within_the_limit(
    quick: LiveService, path: str, way: Way, coding: str
) -> None:
    compress = COMPRESS[coding]
    assert status(quick, way, path, coding, compress(good(path))) == 200
    assert status(quick, way, path, coding, compress(good(path).ljust(LIMIT))) == 200
    assert status(quick, way, path, coding, compress(good(path).ljust(LIMIT + 1))) == 413
    assert status(quick, way, path, coding, compress(good(path) + TOO_LARGE)) == 413
    assert status(quick, way, path, coding, compress(good(path))[:-1]) == 400
    assert status(quick, way, path, coding, compress(good(path)) + b"x") == 400
    assert status(quick, way, path, coding, good(path)) == 400
    assert status(quick, way, path, "br", good(path)) == 415
    assert status(quick, way, path, "identity", good(path)) == 200


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("path", PATHS)
def test_a_wsgi_server_inflates_as_well(path: str, coding: str) -> None:
    client = make_client(trained.bundle("iris"), MAX_BODY_BYTES=str(LIMIT))
    for text, expected in ((good(path), 200), (good(path) + TOO_LARGE, 413)):
        response = client.post(
            path,
            data=COMPRESS[coding](text),
            content_type="application/json",
            headers={"Content-Encoding": coding},
        )
        assert response.status_code == expected, response.text


@pytest.mark.parametrize("coding", COMPRESS)
def test_the_answer_and_the_hash_are_those_of_the_plain_body(tmp_path: Any, coding: str) -> None:
    service = LiveService(trained.bundle("iris"), tmp_path / "log", {"WORKERS": "1"})
    try:
        service.wait_ready()
        named = {"X-Request-ID": "same", "Content-Type": "application/json"}
        body = good("/predict")
        plain = service.client.post("/predict", content=body, headers=named)
        packed = service.client.post(
            "/predict",
            content=COMPRESS[coding](body),
            headers={**named, "Content-Encoding": coding},
        )
        assert packed.content == plain.content
        one, other = service.events("prediction_completed")
        assert one["input_sha256"] == other["input_sha256"]
    finally:
        service.stop()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_slow_model_inflates_in_its_thread(slow: LiveService, way: Way) -> None:
    body = good("/predict")
    assert status(slow, way, "/predict", "gzip", gzip.compress(body)) == 200
    assert status(slow, way, "/predict", "gzip", gzip.compress(body + TOO_LARGE)) == 413


def test_raw_tensors_are_inflated_before_they_are_split(quick: LiveService) -> None:
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]])
    tensor = {"name": "x", "datatype": "FP64", "shape": [2, 4]}
    described = {**tensor, "parameters": {"binary_data_size": rows.nbytes}}
    text = json.dumps({"inputs": [described], "outputs": [{"name": "predict"}]}).encode()
    response = quick.client.post(
        "/v2/models/iris/infer",
        content=gzip.compress(text + rows.tobytes()),
        headers={HEADER: str(len(text)), "Content-Encoding": "gzip"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["outputs"][0]["data"] == ["setosa", "virginica"]


def test_a_body_that_may_become_large_is_not_inflated_in_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = make_service(trained.bundle("iris"))
    asked: list[int] = []

    def expected_seconds(size: int, **_: bool) -> float:
        asked.append(size)
        return 2 * INLINE_SECONDS if size > 100_000 else 0.0

    async def handled(body: bytes, coding: str) -> tuple[bool, int, int]:
        """Whether it went to the thread, the status if not, and the size that was asked for."""
        connection, deadline = Waiting(), Deadline(service.settings.request_timeout_ms)
        headers = {"content-type": "application/json", "content-encoding": coding}
        front = Front(lambda *_: [], service)
        front.handle(connection, Request("POST", "/predict", 80, headers, body, deadline))
        return connection.work is not None, connection.status, asked.pop()

    monkeypatch.setattr(service, "expected_seconds", expected_seconds)
    plain = good("/predict")
    assert asyncio.run(handled(plain, "identity")) == (False, 200, len(plain))
    # It stays as small, but nobody knows that before.
    packed = gzip.compress(plain.ljust(300, b" "))
    queued, status, size = asyncio.run(handled(packed, "gzip"))
    assert (queued, status) == (False, 200)
    assert len(packed) < size <= service.settings.max_body_bytes
    queued, status, size = asyncio.run(handled(gzip.compress(plain + TOO_LARGE), "gzip"))
    assert (queued, status) == (True, 0)
    assert size >= len(TOO_LARGE)
