"""A document or an error -> status, bytes and headers. Knows no web framework.

orjson writes NaN as null, but that never happens: engines refuse to answer with one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from app.errors import RequestError

JSON = "application/json"
PROBLEM = "application/problem+json"
COMMON_HEADERS = {
    # Which software answers, and in which version, is nobody's business.
    "Server": "ml-model",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# Problems that fit into one readable text; `errors` has them all.
MAX_LISTED = 10


@dataclass(slots=True)
class Reply:
    """What goes back to the client; `headers` only beside those that every reply has."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    request_id: str = ""

    def fields(self) -> dict[str, str]:
        """Every header of the response except the length, which is the server's to say."""
        return {
            **self.headers,
            **COMMON_HEADERS,
            "Content-Type": self.content_type,
            "X-Request-ID": self.request_id,
        }


def json_reply(document: Any, status: int = 200) -> Reply:
    """A JSON document as it is."""
    return Reply(status, orjson.dumps(document))


def problem(error: RequestError, request_id: str, *, with_error: bool = False) -> Reply:
    """A problem document (RFC 9457); `with_error` adds the one text that V1 and V2 clients read."""
    document: dict[str, Any] = {
        "type": f"urn:ml-model:problem:{error.kind}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "errors": [entry.as_dict() for entry in error.errors],
        "request_id": request_id,
    }
    if with_error:
        document["error"] = _one_text(error)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Reply(error.status, orjson.dumps(document), PROBLEM, headers)


def _one_text(error: RequestError) -> str:
    """Everything a problem says, for clients that show one string."""
    if not error.errors:
        return f"{error.title}: {error.detail}"
    places = [".".join(map(str, entry.loc)) or "body" for entry in error.errors]
    texts = [f"{place}: {entry.msg}" for place, entry in zip(places, error.errors, strict=True)]
    listed = "; ".join(texts[:MAX_LISTED])
    more = f"; and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return f"{error.title}: {listed}{more}"
