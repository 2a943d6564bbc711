"""What one worker may hold for its clients before and after it works for them.

A connection, a head that is arriving, a body, and a response that nobody reads all cost memory that
no admission control sees. Each has a bound of its own, and all of them together have one, which the
chart's memory guard counts with (docs/reference/memory.md).
"""

from __future__ import annotations

from dataclasses import dataclass

# Of one request: proxies allow 8 to 64 KB; cookies and tokens fit.
MAX_HEAD_BYTES = 32_768
MAX_FIELDS = 100
# From the first byte of a head to its end.
HEAD_SECONDS = 10.0
# A client that reads nothing for so long is gone.
WRITE_SECONDS = 30.0
# A connection that was closed reads on for so long, so that its client sees the response.
LINGER_SECONDS = 2.0
# Responses that wait for their client, per connection, before its next request is looked at.
WRITE_BUFFER_BYTES = 65_536
# Per worker; most are idle connections of proxies, at a few kilobytes each.
MAX_CONNECTIONS = 2000
# Those beyond it are told so, up to as many; others are closed without a word.
MAX_TOLD = 100
# Bodies, bytes sent ahead and unread responses of one worker together, in multiples of the largest
# body.
MAX_HELD_BODIES = 16


@dataclass(slots=True)
class Memory:
    """Bytes held for the clients of one worker."""

    limit: int
    held: int = 0

    def take(self, size: int) -> bool:
        """Hold so many bytes more, unless that is too much; whether they are held.

        Fewer (a negative size) always are.
        """
        if size > 0 and self.held + size > self.limit:
            return False
        self.held += size
        return True


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may be: bytes of its body, milliseconds of its deadline, and the memory."""

    max_body_bytes: int
    max_timeout_ms: int
    memory: Memory
