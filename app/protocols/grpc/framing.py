"""The frame of a message: a byte that says whether it is compressed, and its length in four.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from app import inflate
from app.errors import RequestError
from app.protocols.grpc.messages import malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/grpc"
CONTENT_TYPES = (CONTENT_TYPE, "application/grpc+proto")
ENCODING = "grpc-encoding"
# Told to a client that compresses otherwise.
ACCEPTED = {"grpc-accept-encoding": "identity,gzip,deflate"}
PREFIX = struct.Struct(">BI")


def is_grpc(content_type: str) -> bool:
    """Whether this content type is that of a call in messages of protobuf."""
    if content_type == CONTENT_TYPE:
        return True
    return content_type.partition(";")[0].strip().lower() in CONTENT_TYPES


def frame(message: bytes) -> bytes:
    """A message with its prefix."""
    return PREFIX.pack(0, len(message)) + message


def unframe(headers: Mapping[str, str], body: bytes, limit: int) -> bytes:
    """The one message of a unary call, inflated, at most `limit` bytes.

    Raises RequestError 400 for another number of messages or a damaged one, 413 for a larger one,
    501 for a coding that is not accepted.
    """
    if len(body) < PREFIX.size:
        raise malformed(f"expected one message, found {len(body)} bytes")
    compressed, length = PREFIX.unpack_from(body)
    found = len(body) - PREFIX.size
    if length != found:
        raise malformed(f"expected one message of {length} bytes, found {found}")
    message = body[PREFIX.size :]
    if compressed == 0:
        return message
    coding = headers.get(ENCODING, "identity").strip().lower()
    if compressed != 1 or coding == "identity":
        raise malformed(f"expected a message that is not compressed, found flag {compressed}")
    if coding not in inflate.CODINGS:
        raise RequestError(
            501,
            "grpc-encoding",
            "Unsupported message encoding",
            f"expected identity, gzip or deflate in {ENCODING}, found {coding[:100]}",
        )
    return inflate.decode({inflate.HEADER: coding}, message, limit)


def max_message_bytes(headers: Mapping[str, str], size: int, limit: int) -> int:
    """A bound of the size of the message of a body of `size` bytes, without inflating it."""
    coding = headers.get(ENCODING)
    if coding is None:
        return size
    return inflate.max_decoded_bytes({inflate.HEADER: coding}, size, limit)
