"""The head of a request: what is in it, and what must not be (RFC 9112).

The bytes are read by llhttp, which refuses what is ambiguous: obs-fold, a bare CR, two lengths, a
length beside a transfer coding. Here is what it leaves to a server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

    method: str
    target: bytes
    version: str
    headers: dict[str, str]

    @classmethod
    def read(
        cls, method: str, target: bytes, version: str, fields: list[tuple[bytes, bytes]]
    ) -> Head:
        """Read the fields. Raises RequestError 400, 417 or 426."""
        headers: dict[str, str] = {}
        for name, value in fields:
            key = KNOWN.get(name) or name.decode("latin-1").lower()
            text = value.decode("latin-1").rstrip(" \t")
            if key in headers:
                # RFC 9110, 5.3: several fields of a name are one list.
                if key in SINGLE:
                    raise malformed(f"expected one field {key}, found several")
                text = f"{headers[key]},{text}"
            headers[key] = text
        head = cls(method, target, version, headers)
        head._verify()
        return head

    def _verify(self) -> None:
        headers = self.headers
        host = headers.get("host")
        if host is None:
            if self.version != "1.0":
                raise malformed("expected a field Host")
        elif not HOST.fullmatch(host):
            raise malformed("expected a host and a port in the field Host")
        if "expect" in headers and headers["expect"].lower() != "100-continue":
            raise RequestError(
                417, "expectation", "Expectation failed", "expected 100-continue in Expect"
            )
        if "upgrade" in headers and "websocket" in headers["upgrade"].lower():
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
