"""A real service asked by others' clients: h2spec, and h2 over a socket."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from tests import trained
from tests.app.live import LiveService
from tests.app.traffic import RAW_BODY, connect
from tests.rendering import TOOLS

SECONDS = 60.0
H2SPEC = TOOLS / "h2spec"
# What begins like no HTTP/2 is answered as HTTP/1.1, with 400, and closed: h2spec takes the answer
# for a broken frame, and wants nothing but the close.
ANSWERED_AS_HTTP1 = {"3.5. HTTP/2 Connection Preface: Sends invalid connection preface"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One worker, so that what it counts is there at once."""
    log = tmp_path_factory.mktemp("http2") / "log"
    running = LiveService(trained.bundle("iris"), log, {"WORKERS": "1", "LOG_SAMPLE_RATIO": "1"})
    running.wait_ready()
    yield running
    running.stop()


class Client:
    """h2 on a socket."""

    def __init__(self, port: int) -> None:
        self.socket: socket.socket = connect(port)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events: list[Any] = []
        self.is_closed = False
        self.flush()

    def flush(self) -> None:
        """Send what h2 has to send."""
        self.socket.sendall(self.h2.data_to_send())

    def ask(self, method: str, path: str, body: bytes = b"", *more: tuple[str, str]) -> int:
        """Send a request; its stream."""
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "x")]
        self.h2.send_headers(stream, [*head, *more], end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        self.flush()
        return stream

    def read(self) -> bool:
        """Read once; whether the connection is open."""
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return False
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived):
                length = event.flow_controlled_length
                self.h2.acknowledge_received_data(length, event.stream_id)
        self.flush()
        return True

    def of(self, kind: type[Any], stream: int | None = None) -> list[Any]:
        """The events of a kind, and of a stream."""
        return [
            each
            for each in self.events
            if isinstance(each, kind) and (stream is None or each.stream_id == stream)
        ]

    def answer(self, stream: int) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of a response, once it is whole."""
        end = time.monotonic() + SECONDS
        while not self.of(h2.events.StreamEnded, stream):
            assert time.monotonic() < end
            assert self.read(), self.events
        (event,) = self.of(h2.events.ResponseReceived, stream)
        fields = dict(event.headers)
        body = b"".join(each.data for each in self.of(h2.events.DataReceived, stream))
        return int(fields[":status"]), fields, body

    def close(self) -> None:
        """Go."""
        self.socket.close()


@pytest.fixture
def client(service: LiveService) -> Iterator[Client]:
    connection = Client(service.port)
    yield connection
    connection.close()


def test_h2spec_finds_nothing_but_that_http1_is_answered(service: LiveService) -> None:
    assert H2SPEC.exists(), "run `python3 -m tools build unit`"
    done = subprocess.run(
        [H2SPEC, "--strict", "--host=127.0.0.1", f"--port={service.port}", "--path=/health",
         "--timeout=20"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    failed, section = set(), ""
    for line in done.stdout.partition("Failures:")[2].splitlines():
        if found := re.match(r"\s+([0-9.]+ .*)", line):
            section = found[1]
        if found := re.match(r"\s+\S \d+: (.*)", line):
            failed.add(f"{section}: {found[1]}")
    (count,) = re.findall(r"(\d+) tests, \d+ passed, 0 skipped", done.stdout)
    assert int(count) > 140
    assert failed == ANSWERED_AS_HTTP1, done.stdout[-3000:]


ASKED = {
    "index": ("GET", "/", b"", 200),
    "health": ("GET", "/health", b"", 200),
    "head": ("HEAD", "/health", b"", 200),
    "prediction": ("POST", "/predict", RAW_BODY, 200),
    "not found": ("GET", "/nothing", b"", 404),
    "wrong method": ("PUT", "/predict", RAW_BODY, 405),
    "options": ("OPTIONS", "/predict", b"", 204),
    "no method": ("BREW", "/predict", b"", 501),
    "not json": ("POST", "/predict", b"{", 400),
    "large": ("GET", "/openapi.json", b"", 200),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), ASKED.values(), ids=ASKED)
def test_what_http1_answers_http2_answers_alike(
    service: LiveService, client: Client, method: str, path: str, body: bytes, status: int
) -> None:
    kind = ("content-type", "application/json")
    found, fields, answered = client.answer(client.ask(method, path, body, kind))
    assert found == status
    headers = {"Content-Type": "application/json"}
    other = service.client.request(method, path, content=body or None, headers=headers)
    ours = {"connection", "date", "x-request-id", "content-length"}
    assert {name: value for name, value in fields.items() if name not in {*ours, ":status"}} == {
        name: value for name, value in other.headers.items() if name not in ours
    }
    assert re.fullmatch("[0-9a-f]{32}", fields["x-request-id"])
    assert ("content-length" in fields) == (status != 204)
    if "json" in fields.get("content-type", "") and method != "HEAD":
        without = [json.loads(each) for each in (answered, other.content)]
        for each in without:
            each.pop("request_id", None)
        assert without[0] == without[1]


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/grpc+json", ""])
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_method_of_grpc_that_is_asked_otherwise_says_how(
    service: LiveService, client: Client, version: str, kind: str
) -> None:
    path, headers = (
        "/inference.GRPCInferenceService/ModelInfer",
        {"content-type": kind} if kind else {},
    )
    pattern = r'ml_requests_total\{[^}]*code="415"[^}]*route="unmatched"[^}]*\}'
    before = service.metric(pattern)
    if version == "2":
        status, _, body = client.answer(client.ask("POST", path, b"a", *headers.items()))
    else:
        response = service.client.post(path, content=b"a", headers=headers)
        status, body = response.status_code, response.content
    assert status == 415
    said = kind or "no content type"
    expected = f"expected application/grpc over HTTP/2, found {said} over HTTP/{version}"
    assert json.loads(body)["detail"] == expected
    assert service.metric(pattern) == before + 1
    assert service.client.get(path).headers["allow"] == "OPTIONS, POST"


def test_a_prediction_is_counted_and_logged(service: LiveService, client: Client) -> None:
    pattern = r'ml_requests_total\{[^}]*route="/predict"[^}]*\}'
    before = service.metric(pattern)
    fields = (("content-type", "application/json"), ("x-request-id", "over-http2"))
    status, headers, _ = client.answer(client.ask("POST", "/predict", RAW_BODY, *fields))
    assert (status, headers["x-request-id"]) == (200, "over-http2")
    logged = [each["request_id"] for each in service.events("prediction_completed")]
    assert "over-http2" in logged
    assert service.metric(pattern) == before + 1


def test_what_breaks_the_protocol_is_counted_and_logged(service: LiveService) -> None:
    before = len(service.events("request_rejected"))
    with connect(service.port) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\xff\0\0\0\0\0")
        while connection.recv(1000):
            pass
    service.wait_until("logged", lambda: len(service.events("request_rejected")) > before)
    assert service.events("request_rejected")[-1]["kind"] == "malformed-request"


def until_ping(connected: socket.socket) -> tuple[list[int], bytes]:
    """The last streams of the GOAWAYs before a PING, and the answer to that."""
    received = b""
    while (at := received.find(b"\0\0\x08\6\0\0\0\0\0")) < 0 or len(received) < at + 17:
        piece = connected.recv(65_536)
        assert piece, "no PING"
        received += piece
    answer = received[at : at + 4] + b"\1" + received[at + 5 : at + 17]
    return goaways(received), answer


def to_the_end(connected: socket.socket) -> bytes:
    """What is received until the connection is closed."""
    received = b""
    while piece := connected.recv(65_536):
        received += piece
    return received


def goaways(received: bytes) -> list[int]:
    """The last stream of each GOAWAY."""
    return [
        int.from_bytes(received[at + 9 : at + 13], "big")
        for at in range(len(received))
        if received[at : at + 9] == b"\0\0\x08\x07\0\0\0\0\0"
    ]


def test_a_drain_announces_finishes_and_loses_nothing(tmp_path: Path) -> None:
    """Streams that are open when SIGTERM comes, and those that come before its last word."""
    environ = {"WORKERS": "1", "DRAIN_SECONDS": "0"}
    service = LiveService(trained.bundle("iris"), tmp_path / "log", environ)
    try:
        service.wait_ready()
        client, idle = Client(service.port), Client(service.port)
        client.answer(client.ask("GET", "/health"))
        idle.answer(idle.ask("GET", "/health"))
        # Its body is on its way when the end is announced.
        open_stream = client.h2.get_next_available_stream_id()
        head = [(":method", "POST"), (":path", "/predict"), (":scheme", "http")]
        kind = ("content-type", "application/json")
        client.h2.send_headers(open_stream, [*head, (":authority", "x"), kind])
        client.h2.send_data(open_stream, RAW_BODY[:5])
        client.flush()
        service.signal(signal.SIGTERM)
        announced, said = until_ping(client.socket)
        assert announced == [2**31 - 1]
        # What comes before the answer to the PING is answered: h2 would open no stream any more.
        rest = RAW_BODY[5:]
        length = len(rest).to_bytes(3, "big") + b"\0\1" + open_stream.to_bytes(4, "big")
        asked = open_stream + 2
        block = b"\x82\x86\x04\x07/health\x01\x01x"
        late = len(block).to_bytes(3, "big") + b"\1\5" + asked.to_bytes(4, "big") + block
        client.socket.sendall(late + length + rest + said)
        received = to_the_end(client.socket)
        assert b'"prediction"' in received
        assert b'{"status":"ok"}' in received
        assert goaways(received) == [asked]
        announced, said = until_ping(idle.socket)
        assert announced == [2**31 - 1]
        idle.socket.sendall(said)
        assert goaways(to_the_end(idle.socket)) == [1]
        assert service.wait_ended() == 0
        client.close()
        idle.close()
    finally:
        service.stop()
