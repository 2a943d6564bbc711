"""A document or an error -> status, body and headers. Knows no web framework.

orjson writes NaN as null, but none gets here: engines reject predictions that are not finite.
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
    # Does not disclose the server software and its version.
    "Server": "ml-model",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# Kinds of problems that a correct body would not have.
KINDS_OF_BODIES = frozenset({"not-json", "not-csv", "contract", "malformed-tensor", "media-type"})
# Field errors listed in one readable text; `errors` has all.
MAX_LISTED = 10


@dataclass(slots=True)
class Reply:
    """A response; `headers` are those that not every reply has."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    # Fields after the body, in HTTP/2 alone: how gRPC says how a call went. With an empty body
    # nothing comes between the head and them.
    trailers: dict[str, str] | None = None

    def fields(self) -> dict[str, str]:
        """Every header of the response except the length, which the server adds."""
        kind = {"Content-Type": self.content_type} if self.content_type else {}
        return {**self.headers, **COMMON_HEADERS, **kind, "X-Request-ID": self.request_id}


def json_reply(document: Any, status: int = 200) -> Reply:
    """A reply with a JSON document."""
    return Reply(status, orjson.dumps(document))


def problem(
    error: RequestError,
    request_id: str,
    *,
    with_error: bool = False,
    example: bytes | None = None,
) -> Reply:
    """A problem document (RFC 9457); `with_error` adds the text that V1 and V2 clients read.

    `example`: a correct body as JSON, for those whose body is the problem.
    """
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
    if example is not None and error.kind in KINDS_OF_BODIES:
        document["example"] = orjson.Fragment(example)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Reply(error.status, orjson.dumps(document), PROBLEM, headers)


def _one_text(error: RequestError) -> str:
    """The whole problem as one string, for clients that show one."""
    if not error.errors:
        return f"{error.title}: {error.detail}"
    texts = [f"{'.'.join(map(str, entry.loc)) or 'body'}: {entry.msg}" for entry in error.errors]
    listed = "; ".join(texts[:MAX_LISTED])
    more = f"; and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return f"{error.title}: {listed}{more}"
