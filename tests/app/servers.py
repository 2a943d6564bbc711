"""Clients of Flask's kind over a server of its own, so that one suite runs under several.

`pytest --http-server=front` asks `python -m app`, gthread gunicorn's own worker; without it the
application is asked in this process.
"""

from __future__ import annotations

import atexit
import functools
import http.client
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.datastructures import EnvironHeaders

from tests.app.live import TIMEOUT_SECONDS, LiveService

if TYPE_CHECKING:
    from flask.testing import FlaskClient

COMMANDS = {
    "front": (sys.executable, "-m", "app"),
    "gthread": (sys.executable, "-m", "tests.app.gthread"),
}
# Between one server and the next: they are not the response's.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "date"})


def chosen() -> str:
    """The server that the suite is to run under; empty for none."""
    name = os.environ.get("HTTP_SERVER", "")
    assert name in ("", *COMMANDS), name
    return name


@functools.lru_cache(maxsize=24)
def client(server: str, bundle: Path, environ: tuple[tuple[str, str], ...]) -> FlaskClient:
    """A client of a service under this server, which ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="ml-model-tests-server-")
    service = Served(COMMANDS[server], bundle, Path(folder.name) / "log", dict(environ))
    atexit.register(folder.cleanup)
    atexit.register(service.stop)
    service.wait_ready()
    proxy = Flask("proxy")
    proxy.wsgi_app = functools.partial(_forward, service.port)  # type: ignore[method-assign]
    return proxy.test_client()


class Served(LiveService):
    """A service under another command."""

    def __init__(
        self, command: tuple[str, ...], bundle: Path, log: Path, environ: dict[str, str]
    ) -> None:
        self.command = command
        super().__init__(bundle, log, environ)


def _forward(
    port: int, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Send a request as it is, and give back what came."""
    headers = dict(EnvironHeaders(environ))
    length = headers.pop("Content-Length", None)
    body = environ["wsgi.input"].read(int(length)) if length else b""
    # As the client wrote it, not as it was decoded.
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or "/"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.putrequest(
            environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        if length is not None:
            connection.putheader("Content-Length", length)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        fields = [
            (name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP
        ]
    finally:
        connection.close()
    start_response(f"{response.status} {response.reason}", fields)
    return [content]
