"""Fields of HTTP/2 -> the head of a request, with what must not be in it (RFC 9113, 8.2 and 8.3).

What is malformed is answered all the same, before its stream is reset: whoever wrote the client
reads why.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from app.admission import parse_deadline
from app.errors import RequestError
from app.front.head import collect, split_target, verify_expectation, verify_host
from app.front.memory import MAX_FIELDS, MAX_HEAD_BYTES
from app.front.refusals import body_too_large, head_too_large, malformed, not_implemented
from app.protocols.grpc.framing import is_grpc

# RFC 9113's measure of a list of fields adds so many bytes to each.
FIELD_BYTES = 32
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
SPACE = b" \t"
# No value has these anywhere.
CONTROLS = re.compile(rb"[\0\r\n]")
SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"})
# Fields about a connection of HTTP/1.1 (8.2.2).
CONNECTION = frozenset(
    {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)
# gRPC's own deadline: digits, and a unit in milliseconds.
TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
UNITS = {"H": 3_600_000.0, "M": 60_000.0, "S": 1000.0, "m": 1.0, "u": 1e-3, "n": 1e-6}


@dataclass(slots=True)
class Head:
    """What the head of a request says; shared by requests that repeat it."""

    method: str = ""
    path: str = ""
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    # Bytes of it, and of the body if it says so.
    size: int = 0
    length: int | None = None
    timeout_ms: int = 0
    refused: RequestError | None = None


def read(fields: list[tuple[bytes, bytes]], max_timeout_ms: int, max_body_bytes: int) -> Head:
    """Read a head; what is wrong with it is in `refused`."""
    head = Head(timeout_ms=max_timeout_ms)
    try:
        head.size = _verified_size(fields)
        pseudo, regular = _split(fields)
        _read_target(head, pseudo)
        _read_fields(head, pseudo, regular)
        if head.length is not None and head.length > max_body_bytes:
            raise body_too_large(max_body_bytes)
        head.timeout_ms = _timeout_ms(head.headers, max_timeout_ms)
    except RequestError as error:
        # It is kept with the head: its frames would keep everything else.
        head.refused = error.with_traceback(None)
        if not head.headers:
            # Who calls by gRPC is refused in its words.
            head.headers = {"content-type": _content_type(fields)}
    return head


def _content_type(fields: list[tuple[bytes, bytes]]) -> str:
    found = next((value for name, value in fields if name == b"content-type"), b"")
    return found.decode("latin-1")


def is_trailer(fields: list[tuple[bytes, bytes]]) -> bool:
    """Whether these may follow a body."""
    return all(NAME.fullmatch(name) for name, _ in fields)


def _verified_size(fields: list[tuple[bytes, bytes]]) -> int:
    if len(fields) > MAX_FIELDS + len(PSEUDO):
        raise head_too_large(f"expected at most {MAX_FIELDS} fields")
    size = sum([len(name) + len(value) + FIELD_BYTES for name, value in fields])
    if size > MAX_HEAD_BYTES:
        raise head_too_large(f"expected at most {MAX_HEAD_BYTES} bytes")
    return size


def _split(
    fields: list[tuple[bytes, bytes]],
) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """The pseudo-header fields, and the others."""
    pseudo: dict[bytes, bytes] = {}
    for count, (name, value) in enumerate(fields):
        if name[:1] != b":":
            return pseudo, fields[count:]
        if name not in PSEUDO or name in pseudo:
            raise malformed("expected :method, :scheme, :path and :authority, each once")
        pseudo[name] = value
    return pseudo, []


def _verified(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Fields with names as they must be, and without space around their values.

    RFC 9113, 8.2.1, forbids that. Around metadata of a call it is stripped, as gRPC's specification
    allows: its clients let it through, and who sends it would learn of it in production.
    """
    if is_grpc(_content_type(fields)):
        fields = [(name, value.strip(SPACE)) for name, value in fields]
    for name, value in fields:
        if not NAME.fullmatch(name):
            raise malformed("expected names of fields in lower case, pseudo-header fields first")
        if value != value.strip(SPACE):
            raise malformed("expected no space around the value of a field")
    return fields


def _read_fields(
    head: Head, pseudo: dict[bytes, bytes], regular: list[tuple[bytes, bytes]]
) -> None:
    regular = _verified(regular)
    if CONTROLS.search(b" ".join([value for _, value in regular])):
        raise malformed("expected no NUL, CR or LF in the value of a field")
    head.headers = headers = collect(regular)
    if not CONNECTION.isdisjoint(headers):
        raise malformed("expected no field about a connection of HTTP/1.1")
    if headers.get("te", "trailers") != "trailers":
        raise malformed("expected trailers in the field TE")
    length = headers.get("content-length")
    if length is not None:
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise malformed("expected a number in the field Content-Length")
        head.length = int(length)
    _read_host(headers, pseudo.get(b":authority"))
    if "expect" in headers:
        verify_expectation(headers)


def _read_host(headers: dict[str, str], authority: bytes | None) -> None:
    """Either says which host is meant; both must say the same (8.3.1)."""
    host = headers.get("host")
    if authority is not None:
        text = authority.decode("latin-1")
        if host is not None and host.lower() != text.lower():
            raise malformed("expected one host in :authority and Host")
        headers["host"] = host = text
    if not host:
        raise malformed("expected :authority")
    # grpcio names all addresses of a target such as `ipv4:10.0.0.1:8080,10.0.0.2:8080`.
    for each in host.split(","):
        verify_host(each)


def _read_target(head: Head, pseudo: dict[bytes, bytes]) -> None:
    method = pseudo.get(b":method", b"")
    if not TOKEN.fullmatch(method):
        raise malformed("expected :method")
    head.method = method.decode()
    if method == b"CONNECT":
        raise not_implemented("expected no CONNECT: this is no proxy")
    if not SCHEME.fullmatch(pseudo.get(b":scheme", b"")):
        raise malformed("expected :scheme")
    target = pseudo.get(b":path", b"")
    if target[:1] != b"/" and not (target == b"*" and method == b"OPTIONS"):
        raise malformed("expected :path to begin with a slash")
    head.path, head.query = split_target(target)
    if head.method not in METHODS:
        raise not_implemented("expected a method of HTTP")


def _timeout_ms(headers: dict[str, str], max_timeout_ms: int) -> int:
    """Milliseconds that the client waits, at most the server's own."""
    text = headers.get("grpc-timeout")
    if text is None:
        own = headers.get("x-request-timeout-ms")
        return max_timeout_ms if own is None else parse_deadline(own, max_timeout_ms).timeout_ms
    given = TIMEOUT.fullmatch(text)
    if given is None:
        expected = "expected 1 to 8 digits and one of H, M, S, m, u and n"
        raise RequestError(400, "header", "Invalid header", f"grpc-timeout: {expected}")
    return min(math.ceil(int(given[1]) * UNITS[given[2]]), max_timeout_ms)
