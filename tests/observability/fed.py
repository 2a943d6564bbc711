"""A real Prometheus whose database was written for a test, with the chart's rules at work in it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests import rendering
from tests.observability import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

START_SECONDS = 120


class Prometheus:
    """Asks a running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, query: str) -> list[dict[str, Any]]:
        """What a query finds now."""
        address = f"{self.url}/api/v1/query?{urlencode({'query': query})}"
        with urlopen(address, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def wait_for(self, query: str, count: int) -> list[dict[str, Any]]:
        """What a query finds once it finds so many series; an AssertionError if it never does."""
        deadline = time.monotonic() + START_SECONDS
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            try:
                found = self.query(query)
            except OSError:
                found = []
            if len(found) >= count:
                return found
            time.sleep(0.3)
        raise AssertionError(f"{query}: {len(found)} series of {count}: {found}")


def write_blocks(lines: Iterable[str], folder: Path) -> Path:
    """Write OpenMetrics lines with times into a database; returns its folder."""
    source, database = folder / "history.om", folder / "data"
    source.write_text("".join(f"{line}\n" for line in [*lines, "# EOF"]), encoding="utf-8")
    made = rendering.run(
        rendering.tool("promtool"),
        *("tsdb", "create-blocks-from", "openmetrics", "--quiet", source, database),
    )
    assert made.code == 0, made.stdout + made.stderr
    return database


@contextmanager
def running(database: Path, groups: list[rules.Group]) -> Iterator[Prometheus]:
    """Prometheus on that database, with these rules evaluated every second."""
    folder = database.parent
    every_second = [{**group, "interval": "1s"} for group in groups]
    rules.write(folder / "rules.yaml", {"groups": every_second})
    config = rules.write(folder / "prometheus.yaml", {"rule_files": ["rules.yaml"]})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "prometheus.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                rendering.tool("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={database}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(timeout=30)
