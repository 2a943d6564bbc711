"""Ask a service once in the name of each unit, and say which version answered which unit.

    python population.py HOST PORT BODY_FILE UNITS_FILE --url URL --header NAME
    python population.py HOST PORT BODY_FILE UNITS_FILE --url URL --cookie NAME

Runs inside the sandbox's network namespace. A request that fails in any way counts, and none is
repeated. Units that are empty bring neither header nor cookie, as a new client does. Ends after the
last unit and prints one JSON line. Standard library only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import sys
import threading
import time
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15


class Population:
    """The units that are still to ask, and what was answered: unit, version, and cookie if set."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._address = (arguments.host, arguments.port)
        self._body = arguments.body.read_bytes()
        self._path = urlsplit(arguments.url).path
        self._host = urlsplit(arguments.url).netloc
        self._header = arguments.header
        self._cookie = arguments.cookie
        self._units: queue.SimpleQueue[str] = queue.SimpleQueue()
        for unit in json.loads(arguments.units.read_text(encoding="utf-8")):
            self._units.put(unit)
        self.answers: list[tuple[str, str, str]] = []
        self.failures: list[str] = []
        self.slowest = 0.0

    def work(self) -> None:
        """Ask for one unit after the other on one connection until none is left."""
        connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT_SECONDS)
        while True:
            try:
                unit = self._units.get_nowait()
            except queue.Empty:
                connection.close()
                return
            started = time.monotonic()
            try:
                self.answers.append((unit, *self._ask(connection, unit)))
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.failures.append(f"{unit}: {type(error).__name__}: {error}"[:200])
                connection.close()
            self.slowest = max(self.slowest, time.monotonic() - started)

    def _ask(self, connection: http.client.HTTPConnection, unit: str) -> tuple[str, str]:
        headers = {"Host": self._host, "Content-Type": "application/json"}
        if unit:
            name, value = (
                (self._header, unit) if self._header else ("Cookie", f"{self._cookie}={unit}")
            )
            headers[name] = value
        connection.request("POST", self._path, self._body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise ValueError(f"status {response.status}: {content[:100]!r}")
        jar = SimpleCookie(response.getheader("Set-Cookie", ""))
        given = jar[self._cookie].value if self._cookie in jar else ""
        return json.loads(content)["model_version"], given


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path)
    parser.add_argument("units", type=Path)
    parser.add_argument("--url", required=True, help="what a gateway routes by")
    parser.add_argument("--header", default="")
    parser.add_argument("--cookie", default="")
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    population = Population(arguments)
    threads = [threading.Thread(target=population.work) for _ in range(arguments.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = {
        "answers": population.answers,
        "failures": population.failures,
        "slowest_seconds": round(population.slowest, 3),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
