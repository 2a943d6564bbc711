"""The head of a request: what is in it, and what must not be (RFC 9112).

The bytes are read by llhttp, which refuses what is ambiguous: obs-fold, a bare CR, two lengths, a
length beside a transfer coding. Here is what it leaves to a server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import httptools

from app.errors import RequestError

# RFC 9112, 3.2: a host and a port, or nothing.
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
# Fields of nearly every request, by the spelling that clients send: saves decoding them.
KNOWN = {
    spelling.encode(): name
    for name in (
        "host", "user-agent", "accept", "accept-encoding", "connection", "content-type",
        "content-length", "x-request-id", "traceparent", "x-request-timeout-ms",
    )
    for spelling in (name, name.title())
}  # fmt: skip
# A second one of these is no list: it says something else.
SINGLE = frozenset({"host", "content-length", "content-type", "authorization"})


@dataclass(slots=True)
class Head:
    """Method, target, version and fields; names of fields are lower-case."""

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: dict[str, str] = field(default_factory=dict)
    count: int = 0
    repeated: str = ""

    def add(self, name: bytes, value: bytes) -> None:
        """Add a field; repeated ones are joined, as RFC 9110, 5.3 has it."""
        self.count += 1
        key = KNOWN.get(name) or name.decode("latin-1").lower()
        text = value.decode("latin-1").rstrip(" \t")
        if key in self.headers:
            if key in SINGLE:
                self.repeated = key
            text = f"{self.headers[key]},{text}"
        self.headers[key] = text

    def verify(self) -> None:
        """Raises RequestError 400, 417 or 426."""
        if self.repeated:
            raise malformed(f"expected one field {self.repeated}, found several")
        host = self.headers.get("host")
        if host is None and self.version != "1.0":
            raise malformed("expected a field Host")
        if host is not None and not HOST.fullmatch(host):
            raise malformed("expected a host and a port in the field Host")
        expected = self.headers.get("expect")
        if expected is not None and expected.lower() != "100-continue":
            raise RequestError(
                417, "expectation", "Expectation failed", "expected 100-continue in Expect"
            )
        if "websocket" in self.headers.get("upgrade", "").lower():
            raise RequestError(
                426, "upgrade", "Upgrade required", "expected HTTP without WebSocket"
            )

    def split_target(self) -> tuple[str, str]:
        """Path, decoded, and query of the target, in origin or absolute form.

        The path is text of which each character stands for a byte, as WSGI has it. Raises
        RequestError 400.
        """
        if self.target == b"*":
            return "*", ""
        try:
            url = httptools.parse_url(self.target)
        except httptools.HttpParserInvalidURLError as error:
            raise malformed("expected a path as the target") from error
        path, query = url.path or b"/", url.query or b""
        if b"%" in path:
            path = unquote_to_bytes(path)
        return path.decode("latin-1"), query.decode("latin-1")


def malformed(detail: str) -> RequestError:
    """400 for what is no HTTP request."""
    return RequestError(400, "malformed-request", "Malformed request", detail)


def too_large(detail: str) -> RequestError:
    """431 for a head beyond its limits."""
    return RequestError(431, "head-too-large", "Request head too large", detail)
