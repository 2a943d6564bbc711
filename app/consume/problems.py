"""What a consumer says itself of a request, as problem documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson

from app.errors import RequestError
from app.responses import problem

if TYPE_CHECKING:
    from app.consume.messages import Asked
    from app.responses import Reply

# Of a problem document that goes with a dead letter, in a header.
MAX_PROBLEM = 4096


def given_up(asked: Asked, deliveries: int) -> Reply:
    """The reply to a request that nobody survived."""
    error = RequestError(
        500,
        "given-up",
        "No answer",
        f"delivered {deliveries} times without an answer: the pod ended each time",
    )
    return problem(error, asked.id)


def too_large(asked: Asked, size: str) -> Reply:
    """The reply to a request whose answer the store does not take."""
    detail = f"the store takes no answer of {size}: send fewer rows in a message"
    return problem(RequestError(413, "answer-too-large", "Answer too large", detail), asked.id)


def short_problem(asked: Asked, reply: Reply) -> bytes:
    """The problem document of a reply in ASCII, for a header: a long one is with the answer."""
    text = json.dumps(orjson.loads(reply.body), separators=(",", ":")).encode()
    if len(text) <= MAX_PROBLEM:
        return text
    detail = "the problem document is too long for a header"
    error = RequestError(reply.status, "see-answer", "See the answer", detail)
    return problem(error, asked.id).body
