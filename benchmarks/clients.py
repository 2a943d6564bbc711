"""Load generators: an open loop at a fixed rate, and a closed loop that honours Retry-After.

One thread on its own core that never sleeps, so that it measures the server and not its own wake-up
time. Latency counts from the time a request was due, so a server that stalls cannot hide it by
delaying its clients (coordinated omission).
"""

from __future__ import annotations

import gc
import heapq
import os
import re
import select
import socket
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.load import LOAD_CORE

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
PROBE_INTERVAL_SECONDS = 0.5
SETTLE_SECONDS = 0.5
# Requests without a response this long after the last one was sent count as lost.
PATIENCE_SECONDS = 20.0


@dataclass
class Measured:
    """Results of the requests; latencies (seconds) of those answered with 200."""

    offered: float = 0.0
    # Duration of the load, and the predictions answered in that time.
    seconds: float = 0.0
    predicted: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    # 503 responses without Retry-After.
    silent: int = 0
    probes: dict[str, list[float]] = field(default_factory=dict)

    @property
    def goodput(self) -> float:
        """Predictions per second."""
        return self.predicted / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency quantile of the predictions."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Client:
    """One connection; `due` is when its request should have been sent."""

    def __init__(self, port: int, request: bytes, probe: str = "") -> None:
        self._address = ("127.0.0.1", port)
        self.request = request
        self.probe = probe
        self.due = 0.0
        self._received = b""
        self._connect()

    def _connect(self) -> None:
        self.socket = socket.create_connection(self._address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def send(self, due: float) -> None:
        """Send a request; it is smaller than any socket's buffer."""
        self.due = due
        self.socket.send(self.request)

    def receive(self) -> bytes | None:
        """Return the head of the complete response; empty when the connection was lost."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            return b""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not separator or len(body) < (int(length[1]) if length else 0):
            return None
        self._received = b""
        return head

    def reconnect(self) -> None:
        """Reconnect after a lost connection."""
        self.socket.close()
        self._received = b""
        self._connect()


class Field:
    """All clients of one measurement and their event loop."""

    def __init__(self, port: int, request: bytes, clients: int, probes: dict[str, bytes]) -> None:
        self.result = Measured()
        self.free = [Client(port, request) for _ in range(clients)]
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Client] = {}
        self._probes = [Client(port, text, name) for name, text in probes.items()]
        self._probe_at = 0.0
        self.busy = 0
        for client in (*self.free, *self._probes):
            self._watch(client)

    def close(self) -> None:
        """Close every connection."""
        for client in self._by_descriptor.values():
            client.socket.close()
        self._epoll.close()

    def send(self, due: float) -> None:
        """Send the request that is due with a free client."""
        self.busy += 1
        self.free.pop().send(due)

    def receive(self) -> Iterator[tuple[Client, int]]:
        """Return clients with a response and its status (0: the connection was lost)."""
        for descriptor, _ in self._epoll.poll(0):
            client = self._by_descriptor[descriptor]
            head = client.receive()
            if head is None:
                continue
            if not head:
                self._replace(descriptor, client)
            if client.probe:
                self._probed(client, head)
                continue
            status = int(head[9:12]) if head else 0
            self._note(client, status, head)
            yield client, status

    def probe(self, now: float) -> None:
        """Request health and metrics periodically, each on its own connection."""
        if now >= self._probe_at:
            self._probe_at = now + PROBE_INTERVAL_SECONDS
            for client in self._probes:
                if not client.due:
                    client.send(now)

    def _note(self, client: Client, status: int, head: bytes) -> None:
        self.busy -= 1
        self.result.answered[status] += 1
        if status == 200:
            self.result.latencies.append(time.perf_counter() - client.due)
        elif status == 503 and b"\r\nretry-after: 1\r\n" not in head.lower() + b"\r\n":
            self.result.silent += 1

    def _probed(self, client: Client, head: bytes) -> None:
        late = time.perf_counter() - client.due if head[9:12] == b"200" else float("inf")
        self.result.probes.setdefault(client.probe, []).append(late)
        client.due = 0.0

    def _replace(self, descriptor: int, client: Client) -> None:
        del self._by_descriptor[descriptor]
        client.reconnect()
        self._watch(client)

    def _watch(self, client: Client) -> None:
        self._by_descriptor[client.socket.fileno()] = client
        self._epoll.register(client.socket.fileno(), select.EPOLLIN)


def post(path: str, body: str) -> bytes:
    """Return a prediction request as bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


PROBES = {path: f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in
          ("/health", "/metrics")}  # fmt: skip


def open_loop(
    port: int, request: bytes, rps: float, seconds: float, clients: int, *, probing: bool = False
) -> Measured:
    """Send at a fixed rate regardless of responses; a request waits only for a free connection."""
    with _alone(Field(port, request, clients, PROBES if probing else {})) as everyone:
        result = everyone.result
        result.offered = rps
        waiting: deque[float] = deque()
        started = time.perf_counter()
        sent, total = 0, int(rps * seconds)
        while sent < total or everyone.busy or waiting:
            now = time.perf_counter()
            while sent < total and started + sent / rps <= now:
                waiting.append(started + sent / rps)
                sent += 1
            while waiting and everyone.free:
                everyone.send(waiting.popleft())
            for client, _ in everyone.receive():
                everyone.free.append(client)
            everyone.probe(now)
            if sent == total and not result.seconds:
                result.seconds, result.predicted = now - started, result.answered[200]
            if now > started + seconds + PATIENCE_SECONDS:
                break
        result.answered[-1] = everyone.busy + len(waiting)
    return result


def closed_loop(
    port: int, request: bytes, seconds: float, clients: int, *, probing: bool = False
) -> Measured:
    """Every client sends its next request after a response, or after the Retry-After."""
    with _alone(Field(port, request, clients, PROBES if probing else {})) as everyone:
        result = everyone.result
        started = now = time.perf_counter()
        later: list[tuple[float, int, Client]] = []
        while now < started + seconds:
            while later and later[0][0] <= now:
                everyone.free.append(heapq.heappop(later)[2])
            while everyone.free:
                everyone.send(now)
            for client, status in everyone.receive():
                back = time.perf_counter() + (1.0 if status == 503 else 0.0)
                heapq.heappush(later, (back, id(client), client))
            everyone.probe(now)
            now = time.perf_counter()
        result.seconds, result.predicted = now - started, result.answered[200]
        result.offered = sum(result.answered.values()) / result.seconds
    return result


@contextmanager
def _alone(everyone: Field) -> Iterator[Field]:
    """Run on the load's core, without garbage collection."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    gc.disable()
    # Every connection is accepted before the first request.
    time.sleep(SETTLE_SECONDS)
    try:
        yield everyone
    finally:
        everyone.close()
        gc.enable()
        os.sched_setaffinity(0, before)
