"""What a bad network and a bad day of a store do to a program: a wire and a proxy before a store.

The wire forwards bytes and can be cut; it invents none: every answer that arrives is the store's
own. The proxy lets a share of the requests fail.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class Wire:
    """Connections to a port of ours go on to the store's."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        # Requests that passed: method, path, and the range that was asked for.
        self.requests: list[tuple[str, str, str]] = []
        # Connections are cut after so many bytes of answer, as often as this list is long.
        self.cuts: list[int] = []
        self.bytes = 0

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def paths(self) -> list[str]:
        """The last part of every path that was asked for."""
        return [path.rpartition("/")[2] for _, path, _ in self.requests]

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as store:
            threading.Thread(target=self._answers, args=(store, client), daemon=True).start()
            with suppress(OSError):
                while data := client.recv(65536):
                    self._note(data)
                    store.sendall(data)

    def _note(self, data: bytes) -> None:
        text = data.decode("latin-1")
        if found := re.match(r"([A-Z]+) (\S+) HTTP", text):
            asked = re.search(r"^range: (\S+)", text, re.IGNORECASE | re.MULTILINE)
            self.requests.append((found[1], found[2], asked[1] if asked else ""))

    def _answers(self, store: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := store.recv(65536):
                left = self.cuts[0] if self.cuts else len(data)
                client.sendall(data[:left])
                self.bytes += len(data[:left])
                if self.cuts:
                    self.cuts[0] -= len(data)
                    if self.cuts[0] <= 0:
                        self.cuts.pop(0)
                        break
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A wire to a store's port meanwhile."""
    made = Wire(target)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.close()


INTERNAL_ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"
)


class _Server(ThreadingHTTPServer):
    """Who is cut off by us or hangs up says so elsewhere."""

    daemon_threads = True
    toxic: Toxic
    target: int

    def handle_error(self, request: Any, client_address: Any) -> None:
        """No traceback for a connection that ended."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.toxic.pick(f"{self.command} {unquote(self.path)}")
        if fault in ("403", "500", "503"):
            self._answer(int(fault), [], b"")
            return
        if fault == "reset":
            self._reset()
            return
        if fault == "error in a 200":
            # As S3 answers a completion that it has begun and cannot end.
            self._answer(200, [("content-type", "application/xml")], INTERNAL_ERROR)
            return
        store = HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        store.request(self.command, self.path, body, dict(self.headers))
        answer = store.getresponse()
        content = answer.read()
        store.close()
        if fault == "answer lost":
            self._reset()
            return
        self._answer(answer.status, answer.getheaders(), content, is_cut=fault == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, is_cut: bool = False
    ) -> None:
        kept = {name.lower(): value for name, value in headers}
        kept.setdefault("content-length", str(len(body)))
        self.send_response_only(status)
        for name, value in kept.items():
            if name not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Toxic:
    """A proxy that lets a share of the requests fail, each in one of the ways of `faults`."""

    def __init__(self, target: int, share: float, seed: int) -> None:
        self.faults: tuple[str, ...] = ("500", "503", "reset", "answer lost", "cut")
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311
        self._lock = threading.Lock()
        self._share = share
        self._breaks: re.Pattern[str] | None = None
        self._once: list[tuple[re.Pattern[str], str]] = []
        self._held: re.Pattern[str] | None = None
        # Set while a request is held that `hold` names.
        self.holding = threading.Event()
        self._released = threading.Event()
        self.requests: list[str] = []
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.toxic, self.server.target = self, target
        self.port: int = self.server.server_address[1]

    def fail_from(self, request: str) -> None:
        """From the first request on that matches, e.g. `PUT .*/part-3`, each gets a 503."""
        self._breaks = re.compile(request)

    def fail_once(self, request: str, fault: str) -> None:
        """The next request that matches has this fault, others as they come."""
        self._once.append((re.compile(request), fault))

    def hold(self, request: str) -> None:
        """Requests that match wait until `release`, and then are lost."""
        self._held = re.compile(request)

    def release(self) -> None:
        """Let held requests end."""
        self._held = None
        self._released.set()

    @property
    def is_done(self) -> bool:
        """Whether everything happened that was asked for by `fail_once`."""
        return not self._once

    def pick(self, request: str) -> str:
        """The fault of the next request; empty: none."""
        if self._held is not None and self._held.match(request):
            self.holding.set()
            self._released.wait()
            return "reset"
        with self._lock:
            self.requests.append(request)
            for at, (pattern, fault) in enumerate(self._once):
                if pattern.match(request):
                    del self._once[at]
                    self.counts[fault] += 1
                    return fault
            if self._breaks is not None and self._breaks.match(request):
                self._share, self.faults = 1.0, ("503",)
            fault = ""
            if self._random.random() < self._share:
                fault = self._random.choice(self.faults)
            self.counts[fault] += 1
            return fault


@contextmanager
def toxic(target: int, share: float, seed: int) -> Iterator[Toxic]:
    """A proxy to a store's port meanwhile."""
    made = Toxic(target, share, seed)
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
