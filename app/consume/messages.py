"""A delivery of a broker -> the request in it: its id, URL, deadline and body.

Attributes of CloudEvents 1.0 are read in both modes: as headers (binary, by the prefixes of the
bindings for HTTP, NATS, Kafka and AMQP), or from one JSON document (structured). A message without
them is a request as well.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from app.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("ce-", "ce_", "cloudevents:", "cloudevents_")
STRUCTURED = ("application/cloudevents+json", "application/cloudevents")
JSON = "application/json"
# An id is part of names of files and objects; a longer one by its hash.
MAX_KEY = 180


@dataclass(slots=True)
class Message:
    """One delivery. `headers` in lower case; `handle` is the broker's own."""

    body: bytes
    headers: dict[str, str]
    # Where the broker keeps it, of a message without an id: the same in every delivery of it.
    position: str
    # How often it was delivered, this time included.
    deliveries: int
    # When it was sent, in seconds since 1970; None: unknown.
    sent: float | None
    handle: Any
    # Whether attributes in its headers are percent-encoded, as the binding for NATS has them.
    is_encoded: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The request in a message.

    `key` names its answer: it is made of source and id, which are unique together.
    """

    key: str
    id: str
    source: str = ""
    path: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    # In seconds since 1970.
    deadline: float | None = None
    # Why there is no request in the message.
    refused: RequestError | None = None


def read(message: Message) -> Asked:
    """The request in a message, or why there is none."""
    attributes, body, headers = _attributes(message), message.body, dict(message.headers)
    refused: RequestError | None = None
    if headers.get("content-type", "").partition(";")[0].strip().lower() in STRUCTURED:
        try:
            attributes, body = _opened(message)
        except RequestError as error:
            refused = error
    identity = (
        attributes.get("id")
        or headers.get("id")
        or headers.get("message-id")
        or headers.get("nats-msg-id")
        or message.position
    )
    source = attributes.get("source", "")
    deadline = None
    text = attributes.get("deadline") or headers.get("deadline", "")
    if text and refused is None:
        try:
            deadline = _seconds(text)
        except RequestError as error:
            refused = error
    kind = attributes.get("datacontenttype")
    if kind:
        headers["content-type"] = kind
    headers.setdefault("content-type", JSON)
    for name in ("traceparent", "tracestate"):
        if name in attributes:
            headers[name] = attributes[name]
    return Asked(
        key=key_of(identity, source),
        id=identity,
        source=source,
        path=attributes.get("path") or headers.get("path", ""),
        body=body,
        headers=headers,
        deadline=deadline,
        refused=refused,
    )


def key_of(identity: str, source: str = "") -> str:
    """The name of an answer: `id`, or `source/id`, percent-encoded.

    Neither part has a dot, so that it is one token of a subject of NATS as well.
    """
    return "/".join(_token(part) for part in (source, identity) if part)


def _token(text: str) -> str:
    encoded = quote(text, safe="").replace(".", "%2E")
    if len(encoded) <= MAX_KEY:
        return encoded
    return f"sha256-{hashlib.sha256(text.encode()).hexdigest()}"


class _Structured(msgspec.Struct):
    """An event in structured mode; what it has beside this is not read."""

    id: str
    source: str = ""
    path: str = ""
    deadline: str = ""
    traceparent: str = ""
    tracestate: str = ""
    datacontenttype: str = JSON
    data: msgspec.Raw = msgspec.Raw(b"null")
    data_base64: bytes | None = None


def _attributes(message: Message) -> dict[str, str]:
    """Those of binary mode."""
    found = {}
    for name, text in message.headers.items():
        for prefix in PREFIXES:
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = unquote(text) if message.is_encoded else text
    return found


def _opened(message: Message) -> tuple[dict[str, str], bytes]:
    """Attributes and data of an event in structured mode. Raises RequestError."""
    try:
        event = msgspec.json.decode(message.body, type=_Structured)
        body = bytes(event.data) if event.data_base64 is None else event.data_base64
        kind = event.datacontenttype.partition(";")[0].strip().lower()
        if event.data_base64 is None and not kind.endswith("json"):
            # A text, such as CSV, is a string of JSON.
            body = msgspec.json.decode(body, type=str).encode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(f"expected a CloudEvent as JSON: {error}") from error
    names = ("id", "source", "path", "deadline", "traceparent", "tracestate", "datacontenttype")
    return {name: text for name in names if (text := getattr(event, name))}, body


def _seconds(text: str) -> float:
    """Raises RequestError unless it is a time with its zone (RFC 3339)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _invalid(
            f"deadline: expected a time such as 2030-01-31T12:00:00Z, found {text[:50]!r}"
        )
    return moment.timestamp()


def _invalid(detail: str) -> RequestError:
    return RequestError(400, "event", "Invalid message", detail)
