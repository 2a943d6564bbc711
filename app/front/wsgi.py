"""Ask the Flask application: a Request becomes WSGI's environment, what it answers a Reply."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from app.factory import REQUEST
from app.responses import COMMON_HEADERS, Reply

if TYPE_CHECKING:
    from app.request import Request

# Headers that a response gets from its Reply.
OURS = frozenset({*COMMON_HEADERS, "Content-Type", "Content-Length", "X-Request-ID"})
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def call(application: Wsgi, request: Request) -> Reply:
    """What the application answers."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        started[:] = [int(status[:3]), headers]

    body = b"".join(application(_environ(request), start_response))
    status, fields = started
    headers = {name: value for name, value in fields if name not in OURS}
    given = dict(fields)
    return Reply(
        status, body, given.get("Content-Type", ""), headers, given.get("X-Request-ID", "")
    )


def _environ(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333)."""
    body = request.body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        REQUEST: request,
    }
    for name, text in request.headers.items():
        if name not in ("content-type", "content-length"):
            environ["HTTP_" + name.upper().replace("-", "_")] = text
    return environ
