"""Clients of a started service: many at once, and slow ones. They say what each of them saw."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from tests.app.live import TIMEOUT_SECONDS

JSON = "application/json"
BODY = {"features": [5.1, 3.5, 1.4, 0.2]}
RAW_BODY = json.dumps(BODY).encode()
# Requests of one connection, after which a client takes a new one: workers share connections, not
# requests.
CONNECTION_REQUESTS = 20
RECONNECT_SECONDS = 0.01


@dataclass(frozen=True)
class Answer:
    """What one request got. `connection` names the connection it came on."""

    connection: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Failure:
    """A request without an answer."""

    connection: str
    error: Exception
    # Answers that came on this connection before, and how long ago the last one was.
    answered_before: int
    idle_seconds: float


class Client:
    """One client with one connection at a time, which it keeps."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._name = name
        self._opened = 0
        self._connection: HTTPConnection | None = None
        self._answered = 0
        self._last = 0.0

    def post(self, sent: bytes = RAW_BODY) -> Answer | Failure:
        """One prediction. Its request id begins with the name of the connection."""
        if self._connection is None or self._answered >= CONNECTION_REQUESTS:
            self.close()
            self._opened += 1
            self._connection = HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        name = f"{self._name}.{self._opened}"
        idle = time.monotonic() - self._last if self._answered else 0.0
        headers = {"Content-Type": JSON, "X-Request-ID": f"{name}.{self._answered}"}
        try:
            self._connection.request("POST", "/predict", sent, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            failure = Failure(name, error, self._answered, idle)
            self.close()
            return failure
        self._answered += 1
        self._last = time.monotonic()
        if response.will_close:
            self.close()
        headers = {key.lower(): value for key, value in response.getheaders()}
        return Answer(name, response.status, headers, body)

    def close(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._answered = 0


@dataclass
class Load:
    """Clients that ask again and again while the `with` block lasts.

    They do so as soon as they are answered, or each once in `interval` seconds.
    """

    port: int
    clients: int
    interval: float = 0.0
    # What each request asks.
    body: Callable[[], bytes] = lambda: RAW_BODY
    answers: list[Answer] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(self.clients)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def statuses(self) -> list[int]:
        """The status of every answer so far."""
        return [answer.status for answer in list(self.answers)]

    def _run(self, number: int) -> None:
        client = Client(self.port, f"c{number}")
        # Spread over the interval, or all would ask at the same moment.
        due = time.monotonic() + self.interval * number / self.clients
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            result = client.post(self.body())
            due += self.interval
            if isinstance(result, Answer):
                self.answers.append(result)
            else:
                self.failures.append(result)
                self._stopped.wait(RECONNECT_SECONDS)
        client.close()


def together(clients: int, work: Callable[[Client], None], port: int) -> None:
    """Let as many clients do the same, all beginning at the same moment."""
    barrier = threading.Barrier(clients)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        client = Client(port, f"t{number}")
        barrier.wait()
        try:
            work(client)
        except BaseException as error:
            errors.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class SlowBody:
    """A prediction whose body waits until the server asked for it, and then for the test."""

    def __init__(self, port: int, timeout_ms: int | None = None) -> None:
        self._socket = connect(port)
        lines = ["POST /predict HTTP/1.1", "Host: x", f"Content-Length: {len(RAW_BODY)}"]
        lines += ["Connection: close", "Expect: 100-continue", f"Content-Type: {JSON}"]
        if timeout_ms is not None:
            lines.append(f"X-Request-Timeout-Ms: {timeout_ms}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        # From here on the request is in the application's hands.
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 100")
        self._socket.sendall(RAW_BODY[:1])

    def finish(self) -> bytes:
        """Send the rest; returns the answer, or what came before the connection was closed."""
        self._socket.sendall(RAW_BODY[1:])
        return self.answer()

    def close(self) -> None:
        """Give up in the middle of the body."""
        self._socket.close()

    def answer(self) -> bytes:
        """Whatever the server says until it closes the connection."""
        with self._socket:
            return read_to_end(self._socket)


def connect(port: int) -> socket.socket:
    """A plain connection to the service."""
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the far side closes; it may have bytes of ours that it never read."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)
