"""The head of a request: what is in it, and what must not be (RFC 9112).

Those of HTTP/1.1 are read by llhttp, which refuses what is ambiguous: obs-fold, a bare CR, two
lengths, a length beside a transfer coding. Here is what it leaves to a server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import httptools

from app.front.refusals import (
    expectation_failed,
    malformed,
    not_implemented,
    version_not_supported,
)

# RFC 9112, 3.2: a host and a port, or nothing.
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
# Fields of nearly every request, by the spelling that clients send: saves decoding them.
KNOWN = {
    spelling.encode(): name
    for name in (
        "host", "user-agent", "accept", "accept-encoding", "connection", "content-type",
        "content-length", "x-request-id", "traceparent", "x-request-timeout-ms", "te",
        "grpc-timeout", "grpc-accept-encoding",
    )
    for spelling in (name, name.title())
}  # fmt: skip
# A second one of these is no list: it says something else.
SINGLE = frozenset({"host", "content-length", "content-type", "authorization", "x-request-id"})
# Fields by which a client changes how its connection or its body is read.
FRAMING = frozenset({"expect", "upgrade", "transfer-encoding"})


@dataclass(slots=True)
class Head:
    """Method, target, version and fields; names of fields are lower-case."""

    method: str
    target: bytes
    version: str
    headers: dict[str, str]

    def read_fields(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Read the fields. Raises RequestError 400, 417, 501 or 505."""
        self.headers = headers = collect(fields)
        if self.version not in ("1.1", "1.0"):
            raise version_not_supported(self.version)
        host = headers.get("host")
        if host is not None:
            verify_host(host)
        elif self.version == "1.1":
            raise malformed("expected a field Host")
        if not FRAMING.isdisjoint(headers):
            self._verify_framing()

    def _verify_framing(self) -> None:
        headers = self.headers
        verify_expectation(headers)
        if "websocket" in headers.get("upgrade", "").lower():
            raise malformed("expected a request without an upgrade to WebSocket")
        coding = headers.get("transfer-encoding", "chunked").strip().lower()
        if coding != "chunked":
            raise not_implemented("expected no Transfer-Encoding but chunked")
        if "transfer-encoding" in headers and self.version == "1.0":
            raise malformed("expected HTTP/1.1 for a Transfer-Encoding")


def collect(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Fields as names and values. Raises RequestError 400."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key = KNOWN.get(name) or name.decode("latin-1").lower()
        text = value.decode("latin-1").rstrip(" \t")
        if key in headers:
            # RFC 9110, 5.3: several fields of a name are one list.
            if key in SINGLE:
                raise malformed(f"expected one field {key}, found several")
            # RFC 9113, 8.2.3: HTTP/2 may cut a cookie into pieces.
            text = f"{headers[key]}{'; ' if key == 'cookie' else ','}{text}"
        headers[key] = text
    return headers


def verify_host(host: str) -> None:
    """Raises RequestError 400."""
    if not HOST.fullmatch(host):
        raise malformed("expected a host and a port in the field Host")


def verify_expectation(headers: dict[str, str]) -> None:
    """Raises RequestError 417."""
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise expectation_failed()


def split_target(target: bytes) -> tuple[str, str]:
    """Path, decoded, and query of a target, in origin or absolute form.

    The path is text of which each character stands for a byte, as WSGI has it. Raises
    RequestError 400.
    """
    if target == b"*":
        return "*", ""
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise malformed("expected a path as the target") from error
    path, query = url.path or b"/", url.query or b""
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")
