"""The caller's trace context, from the header `traceparent` (W3C Trace Context).

Parses only: log lines carry the trace id, whether spans are sent or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = "traceparent"
# Later versions may append fields; version `ff` and all-zero ids are invalid.
PATTERN = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?"
)
SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace of a request; `span_id` is the caller's span, the parent of the service's."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parse(header: str) -> TraceContext | None:
    """Parse the header; None if it is invalid: the standard requires to ignore it."""
    match = PATTERN.fullmatch(header)
    # Version 00 has no fifth field.
    if match is None or (match[4] is not None and header.startswith("00")):
        return None
    return TraceContext(match[1], match[2], bool(int(match[3], 16) & SAMPLED))
