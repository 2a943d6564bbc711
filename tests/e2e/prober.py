"""Ask a service for predictions all the time and without a retry, and count what fails.

    python prober.py HOST PORT BODY_FILE [--connections N] [--pause SECONDS] [--url URL]

Runs inside the sandbox's network namespace, as a client in the cluster would. Each connection is
kept alive; a request that fails in any way counts, whatever the reason. Of a body file that ends
with .jsonl each line is a body, and each connection sends them in turn. Ends when its standard
input is closed and prints one JSON line. Standard library only.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import itertools
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15
SHOWN_FAILURES = 5


class Prober:
    """What all connections have seen so far."""

    def __init__(self, host: str, port: int, bodies: list[bytes], url: str, pause: float) -> None:
        self._address = (host, port)
        self._bodies = bodies
        self._path = urlsplit(url).path
        self._headers = {"Host": urlsplit(url).netloc, "Content-Type": "application/json"}
        self._pause = pause
        self._lock = threading.Lock()
        self.stop = threading.Event()
        self.requests = 0
        self.failures: list[str] = []
        self.versions: collections.Counter[str] = collections.Counter()
        self.durations: list[float] = []

    def work(self, begin: int) -> None:
        """Send one request after the other on one connection until told to stop.

        `begin`: which of the bodies is the first.
        """
        connection = self._connect()
        for body in itertools.cycle(self._bodies[begin:] + self._bodies[:begin]):
            if self.stop.is_set():
                break
            started = time.monotonic()
            failure = version = ""
            try:
                version, closing = self._ask(connection, body)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                failure = f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}"[:200]
                closing = True
            if closing:
                connection.close()
                connection = self._connect()
            self._count(time.monotonic() - started, version, failure)
            if self._pause:
                self.stop.wait(self._pause)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self._address, timeout=TIMEOUT_SECONDS)

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[str, bool]:
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise ValueError(f"status {response.status}: {content[:100]!r}")
        return json.loads(content)["model_version"], response.will_close

    def _count(self, seconds: float, version: str, failure: str) -> None:
        with self._lock:
            self.requests += 1
            self.durations.append(seconds)
            if failure:
                self.failures.append(failure)
            else:
                self.versions[version] += 1


def percentile(durations: list[float], percent: int) -> float:
    """The duration that so many percent of the requests did not exceed."""
    ordered = sorted(durations) or [0.0]
    return ordered[(len(ordered) - 1) * percent // 100]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0, help="seconds between two requests")
    parser.add_argument("--url", default="http://model/predict", help="what a gateway routes by")
    arguments = parser.parse_args()
    content = arguments.body.read_bytes()
    bodies = content.splitlines() if arguments.body.suffix == ".jsonl" else [content]
    prober = Prober(arguments.host, arguments.port, bodies, arguments.url, arguments.pause)
    # No two connections send the same at the same time.
    begins = [
        number * len(bodies) // arguments.connections for number in range(arguments.connections)
    ]
    threads = [threading.Thread(target=prober.work, args=(begin,)) for begin in begins]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    prober.stop.set()
    for thread in threads:
        thread.join()
    report = {
        "requests": prober.requests,
        "failed": len(prober.failures),
        "failures": prober.failures[:SHOWN_FAILURES],
        "versions": dict(prober.versions),
        "slowest_seconds": round(max(prober.durations, default=0), 3),
        "p99_seconds": round(percentile(prober.durations, 99), 3),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
