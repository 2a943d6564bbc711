"""What one worker may hold for its clients before and after it works for them.

A connection, a head that is arriving, a body, and a response that nobody reads all cost memory that
no admission control sees. Each has a bound of its own, and all of them together have one, which the
chart's memory guard counts with (docs/reference/memory.md).
"""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass

# Of one request: proxies allow 8 to 64 KB; cookies and tokens fit.
MAX_HEAD_BYTES = 32_768
MAX_FIELDS = 100
# Chunks of a body: each costs as much as a field. Beyond the first so many they have so many bytes
# on average; clients that know what they do send kilobytes.
MAX_SMALL_CHUNKS = 1000
MIN_CHUNK_BYTES = 64
# From the first byte of a head to its end.
HEAD_SECONDS = 10.0
# A client that reads nothing for so long is gone.
WRITE_SECONDS = 30.0
# A connection that was closed reads on for so long, so that its client sees the response.
LINGER_SECONDS = 2.0
# Responses that wait for their client, per connection, before its next request is looked at.
WRITE_BUFFER_BYTES = 65_536
# Connections that wait for a worker, in the kernel.
BACKLOG = 2048
# Per worker; most are idle connections of proxies, at a few kilobytes each.
MAX_CONNECTIONS = 2000
# Those beyond it are told so, up to as many; others are closed without a word.
MAX_TOLD = 100
# Bodies, bytes sent ahead and unread responses of one worker together: so many bytes, or so many of
# the largest bodies if that is more. The chart's `ml-model.clientsMi` has the same numbers.
MIN_HELD_BYTES = 16 * 1024 * 1024
MIN_HELD_BODIES = 4
# What clients have held at least before it is worth giving back.
MIN_GIVEN_BYTES = 2 * 1024 * 1024


@dataclass(slots=True)
class Memory:
    """Bytes held for the clients of one worker."""

    limit: int
    held: int = 0
    # The most that was held since freed memory was given back.
    most: int = 0

    def take(self, size: int) -> bool:
        """Hold so many bytes more, unless that is too much; whether they are held.

        Fewer (a negative size) always are.
        """
        if size > 0 and self.held + size > self.limit:
            return False
        self.held += size
        self.most = max(self.most, self.held)
        return True

    def give_back(self) -> None:
        """Have glibc give back what many heads and bodies have left; now and then, it takes ms."""
        if self.most > MIN_GIVEN_BYTES and self.held < self.most // 4:
            self.most = self.held
            with contextlib.suppress(AttributeError, OSError):
                ctypes.CDLL(None).malloc_trim(0)


class Share:
    """What one holder has of the memory."""

    __slots__ = ("_memory", "size")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size = 0

    def resize(self, size: int) -> bool:
        """Hold so many bytes instead of those before, unless that is too much; whether they are."""
        if not self._memory.take(size - self.size):
            return False
        self.size = size
        return True


def held_limit(max_body_bytes: int) -> int:
    """How many bytes a worker holds for its clients, besides the connections themselves."""
    return max(MIN_HELD_BYTES, MIN_HELD_BODIES * max_body_bytes)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may be: bytes of its body, milliseconds of its deadline, and the memory."""

    max_body_bytes: int
    max_timeout_ms: int
    memory: Memory


# mallopt(3): M_MMAP_THRESHOLD, and its initial value.
_MMAP_THRESHOLD, _THRESHOLD_BYTES = -3, 131_072


def return_freed_bodies() -> None:
    """Have glibc give large freed blocks back to the kernel, always.

    By default it raises the size from which it does so to that of the largest block ever freed;
    many bodies that grow side by side then leave a heap full of holes. Other libraries have no such
    option.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _THRESHOLD_BYTES)
