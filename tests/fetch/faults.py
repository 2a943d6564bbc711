"""A wire between the program and a store that can be cut: what a bad network does to a download.

It forwards bytes and invents none: every answer that arrives is the store's own.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


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
