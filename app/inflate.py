"""Undo a body's Content-Encoding (gzip, deflate) within the limit of MAX_BODY_BYTES.

Inflates in small steps and stops at the limit, so that a body of a kilobyte that would become
gigabytes costs no more than the largest allowed one. Knows nothing of what a body means.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from app.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "content-encoding"
GZIP = "gzip"
# zlib's `wbits` of each coding. RFC 9110: x-gzip is gzip, deflate is the zlib format (RFC 1950).
CODINGS = {GZIP: 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}
# A byte of deflate becomes at most this many (https://zlib.net/zlib_tech.html).
MAX_RATIO = 1032
# zlib copies the rest of its input for each member of a gzip file: bounded by small pieces of
# input, and by a number of members that no compressor makes of a request.
STEP_BYTES = 65_536
MAX_MEMBERS = 1000


def decode(headers: Mapping[str, str], body: bytes, limit: int) -> bytes:
    """The body without its Content-Encoding, at most `limit` bytes.

    Raises RequestError 415 for an unknown coding, 400 for a damaged body, 413 for a larger one.
    """
    named = headers.get(HEADER)
    if named is None:
        return body
    codings = _codings(named)
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in CODINGS:
        raise RequestError(
            415,
            "media-type",
            "Unsupported content encoding",
            f"expected gzip, deflate or identity, found {named[:100]}",
        )
    return _inflate(body, codings[0], limit)


def max_decoded_bytes(headers: Mapping[str, str], size: int, limit: int) -> int:
    """A bound of the size of a body of `size` bytes once it is decoded, without decoding it."""
    if HEADER not in headers or not _codings(headers[HEADER]):
        return size
    return min(limit, size * MAX_RATIO)


def _codings(named: str) -> list[str]:
    """The codings of a Content-Encoding, lower-case, without those that change nothing."""
    words = (word.strip().lower() for word in named.split(","))
    return [word for word in words if word not in ("", "identity")]


def _inflate(body: bytes, coding: str, limit: int) -> bytes:
    parts: list[bytes] = []
    size = members = start = 0
    stream, pending = None, b""
    while pending or start < len(body):
        if stream is None:
            members += 1
            if members > MAX_MEMBERS:
                raise _damaged_error(f"expected at most {MAX_MEMBERS} members")
            stream = zlib.decompressobj(CODINGS[coding])
        if not pending:
            pending = body[start : start + STEP_BYTES]
            start += len(pending)
        try:
            # One byte beyond the limit shows that there is more.
            part = stream.decompress(pending, limit + 1 - size)
        except zlib.error as error:
            where = "the body" if members == 1 else "what follows its first member"
            raise _damaged_error(f"{where} is not valid {coding}") from error
        parts.append(part)
        size += len(part)
        if size > limit:
            raise RequestError(
                413,
                "too-large",
                "Request body too large",
                f"expected at most {limit} bytes when inflated (MAX_BODY_BYTES)",
            )
        pending = stream.unconsumed_tail
        if stream.eof:
            pending = stream.unused_data
            stream = None
            if coding == "deflate" and (pending or start < len(body)):
                raise _damaged_error("found bytes after the end of the deflate stream")
    if stream is not None or not members:
        raise _damaged_error(f"expected the end of the {coding} stream, found the end of the body")
    return b"".join(parts)


def _damaged_error(detail: str) -> RequestError:
    return RequestError(400, "malformed-compression", "Malformed compressed body", detail)
