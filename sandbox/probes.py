"""Readiness probes as values: a component carries one, `check` runs it once.

Must not wait or retry; `wait` does.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from sandbox import netns
from sandbox.errors import SandboxError
from sandbox.proc import run
from sandbox.wait import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE_TIMEOUT_SECONDS = 5.0


class Probe(Protocol):
    """Anything that can report once whether something is ready."""

    def check(self) -> Answer:
        """Probe once; never raises when something is merely not ready."""
        ...


@dataclass(frozen=True)
class Http:
    """Ready when a GET of `url` (an IPv4 address as host) answers with status 200.

    `ca`, `cert` and `key` are files for https; without `ca` the server is not verified.
    """

    url: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    in_netns: bool = True

    def check(self) -> Answer:
        """Probe once."""
        try:
            status, body = get(
                self.url, ca=self.ca, cert=self.cert, key=self.key, in_netns=self.in_netns
            )
        except (OSError, http.client.HTTPException, SandboxError) as error:
            return Answer(False, f"{self.url}: {error}")
        return Answer(status == 200, f"{self.url}: status {status} {body[:200]!r}")


@dataclass(frozen=True)
class Tcp:
    """Ready when `host:port` accepts a connection."""

    host: str
    port: int
    in_netns: bool = True

    def check(self) -> Answer:
        """Probe once."""
        where = f"{self.host}:{self.port}"
        try:
            _connect(self.host, self.port, self.in_netns).close()
        except (OSError, SandboxError) as error:
            return Answer(False, f"{where}: {error}")
        return Answer(True, f"{where}: accepts connections")


@dataclass(frozen=True)
class Command:
    """Ready when a command exits with 0 (and prints `contains`); run as given, on the host."""

    argv: tuple[str, ...]
    contains: str = ""

    def check(self) -> Answer:
        """Probe once."""
        try:
            done = run(self.argv, timeout_seconds=PROBE_TIMEOUT_SECONDS, check=False)
        except SandboxError as error:
            return Answer(False, error.found)
        output = (done.stdout + done.stderr).strip()
        ready = done.code == 0 and self.contains in done.stdout
        return Answer(ready, f"{Path(self.argv[0]).name}: exit code {done.code}, {output[-300:]!r}")


def get(
    url: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    in_netns: bool = True,
) -> tuple[int, str]:
    """GET `url` and return status and body. Raises OSError or HTTPException when that fails."""
    with _asked(url, ca, cert, key, in_netns) as response:
        return response.status, response.read().decode(errors="replace")


def stream(
    url: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    in_netns: bool = True,
) -> Iterator[bytes]:
    """Yield the lines of an answer as they come, until it ends or is silent for too long.

    Raises OSError or HTTPException when that fails, or the status is not 200.
    """
    with _asked(url, ca, cert, key, in_netns) as response:
        if response.status != 200:
            raise OSError(f"{url}: status {response.status}")
        yield from response


@contextmanager
def _asked(
    url: str, ca: Path | None, cert: Path | None, key: Path | None, in_netns: bool
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET, as long as the connection is open."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    stream = _connect(host, port, in_netns)
    try:
        if parts.scheme == "https":
            stream = _tls(ca, cert, key).wrap_socket(stream, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = stream
        connection.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        yield connection.getresponse()
    finally:
        stream.close()


def _connect(host: str, port: int, in_netns: bool) -> socket.socket:
    if in_netns:
        return netns.connect(host, port, PROBE_TIMEOUT_SECONDS)
    return socket.create_connection((host, port), PROBE_TIMEOUT_SECONDS)


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
