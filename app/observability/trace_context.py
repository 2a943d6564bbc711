"""The caller's trace, as W3C Trace Context writes it into the header `traceparent`.

Only reads: so that a log line can be found from a trace, whether spans are sent or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = "traceparent"
# Later versions may append to it; `ff` and identifiers of nothing but zeros are invalid.
PATTERN = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?"
)
SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Which trace a request belongs to; `span_id` is the caller's span, the parent of ours."""

    trace_id: str
    span_id: str
    sampled: bool


def parse(header: str) -> TraceContext | None:
    """The context, or None for a header that is not one: the standard wants it ignored."""
    found = PATTERN.fullmatch(header)
    # Version 00 has no fifth part.
    if found is None or (found[4] is not None and header.startswith("00")):
        return None
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & SAMPLED))
