"""A request as the routes see it, whether it came through the front or from a WSGI server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app import inflate
from app.protocols.grpc import framing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.admission import Deadline


@dataclass(slots=True)
class Request:
    """One request; header names are lower-case."""

    method: str
    path: str
    port: int
    headers: Mapping[str, str]
    body: bytes
    deadline: Deadline
    query: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    # The error of a request refused before routing: malformed, too slow, too large, too many. Any
    # other error is a fault of the service.
    refused: Exception | None = None
    # Of HTTP.
    version: str = "1.1"
    # When the request was complete: queueing counts from here, a slow client's time does not.
    received: float = field(default_factory=time.perf_counter)

    @property
    def is_grpc(self) -> bool:
        """Whether it is a call of gRPC, in messages of protobuf."""
        return self.version == "2" and framing.is_grpc(self.headers.get("content-type", ""))

    def max_body_bytes(self, limit: int) -> int:
        """A bound of the size of the body once it is decoded, without decoding it."""
        bound = framing.max_message_bytes if self.is_grpc else inflate.max_decoded_bytes
        return bound(self.headers, len(self.body), limit)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower-case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
