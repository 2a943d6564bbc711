"""The echo called by our event loop instead of a worker: the saving of the loop alone."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.echo import app as flask_app

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]


async def app(scope: Message, receive: Any, send: Any) -> None:
    """Read the body, call Flask, send its response."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    started: list[Any] = []
    parts: list[bytes] = []

    def start_response(
        status: str, fields: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        started.extend((status, fields))
        return parts.append

    parts.extend(flask_app.wsgi_app(environ, start_response))
    fields = [(name.lower().encode(), value.encode()) for name, value in started[1]]
    status = int(started[0][:3])
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": b"".join(parts)})
