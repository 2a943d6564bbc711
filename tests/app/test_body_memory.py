"""Bodies that are still arriving hold a bounded amount of memory, and give back what they held."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests import trained
from tests.app.live import LiveService
from tests.app.traffic import BODY, connect, read_to_end

LIMIT = 1_048_576
TIMEOUT_MS = 3_000
# The bound is 16 MiB: so many of the largest bodies.
BODIES = 16
LARGE = json.dumps(BODY).encode().ljust(LIMIT - 1_000)
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One worker; a body may have 1 MiB."""
    environ = {
        "WORKERS": "1",
        "MAX_BODY_BYTES": str(LIMIT),
        "REQUEST_TIMEOUT_MS": str(TIMEOUT_MS),
    }
    started = LiveService(
        trained.bundle("iris"), tmp_path_factory.mktemp("memory") / "log", environ
    )
    started.wait_ready()
    yield started
    started.stop()


def begin(service: LiveService, announced: int = len(LARGE), *more: bytes) -> socket.socket:
    """All of a large body but its last byte."""
    connection = connect(service.port)
    lines = [b"Content-Length: %d\r\n" % announced, b"Connection: close\r\n", *more]
    connection.sendall(HEAD + b"".join(lines) + b"\r\n" + LARGE[:-1])
    return connection


def complete(service: LiveService) -> bytes:
    connection = begin(service)
    time.sleep(0.01)
    return finish(connection)


def finish(connection: socket.socket) -> bytes:
    with connection:
        connection.sendall(LARGE[-1:])
        return read_to_end(connection)[:12]


def leave(service: LiveService) -> bytes:
    """The client goes in the middle of its body."""
    with begin(service):
        time.sleep(0.01)
    return b""


def exceed(service: LiveService) -> bytes:
    """More than the largest body, in chunks that announce nothing."""
    with connect(service.port) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(2):
            connection.sendall(b"%x\r\n%b\r\n" % (len(LARGE), LARGE))
            time.sleep(0.01)
        return connection.recv(65536)[:12]


def stall(service: LiveService) -> bytes:
    """The rest does not come in time."""
    with begin(service, len(LARGE), b"X-Request-Timeout-Ms: 1\r\n") as connection:
        return read_to_end(connection)[:12]


ENDINGS: dict[str, tuple[Callable[[LiveService], bytes], bytes]] = {
    "answered": (complete, b"HTTP/1.1 200"),
    "left": (leave, b""),
    "too-large": (exceed, b"HTTP/1.1 413"),
    "too-slow": (stall, b"HTTP/1.1 408"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_body_gives_back_what_it_held_however_it_ends(service: LiveService, ending: str) -> None:
    end, expected = ENDINGS[ending]
    # Twice as much as may be held together.
    assert [end(service) for _ in range(2 * BODIES + 2)] == [expected] * (2 * BODIES + 2)
    assert complete(service) == b"HTTP/1.1 200"
    assert service.metric("ml_requests_shed_total") == 0


def refused(connections: list[socket.socket]) -> list[socket.socket]:
    """Those on which the server has said something."""
    return select.select(connections, [], [], 0)[0]


def test_bodies_that_arrive_together_hold_no_more_than_the_bound(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    environ = {"WORKERS": "1", "MAX_BODY_BYTES": str(LIMIT), "REQUEST_TIMEOUT_MS": "100000"}
    service = LiveService(trained.bundle("iris"), tmp_path_factory.mktemp("many") / "log", environ)
    try:
        service.wait_ready()
        for _ in range(2):
            before = service.metric("ml_requests_shed_total")
            arriving = [begin(service) for _ in range(3 * BODIES)]
            service.wait_until(
                "refusing",
                lambda: len(refused(arriving)) >= 2 * BODIES,  # noqa: B023
            )
            gone = refused(arriving)
            assert len(arriving) - len(gone) == BODIES
            for connection in gone:
                with connection:
                    answer = read_to_end(connection)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nretry-after: 1\r\n" in answer.lower()
            assert service.metric("ml_requests_shed_total") == before + len(gone)
            # What is there as a whole holds nothing, and is answered meanwhile.
            assert service.client.post("/predict", json=BODY).status_code == 200
            held = [connection for connection in arriving if connection not in gone]
            assert {finish(connection) for connection in held} == {b"HTTP/1.1 200"}
        assert complete(service) == b"HTTP/1.1 200"
    finally:
        service.stop()
