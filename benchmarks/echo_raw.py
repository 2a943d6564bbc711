"""The lower bound: an ASGI application that parses a body and returns it."""

from __future__ import annotations

from typing import Any

import orjson


async def app(_scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo; an empty body is a readiness check."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = orjson.dumps(orjson.loads(body)) if body else b"{}"
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": answer})
