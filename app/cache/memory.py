"""Entries in the memory of this process: the least recently used go when the bytes run out."""

from __future__ import annotations

import threading
from collections import OrderedDict

# What an entry takes beside its key and content: two bytes objects, a link, and its share of a
# table that doubles (measured by tests/app/cache/test_memory.py).
ENTRY_BYTES = 256


class Memory:
    """At most `limit` bytes of entries, with what Python needs to hold them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """The content under a key, which is the most recently used now."""
        with self._lock:
            content = self._entries.get(key)
            if content is not None:
                self._entries.move_to_end(key)
            return content

    def put(self, key: bytes, content: bytes) -> int:
        """Keep a content unless it is larger than all; how many others had to go for it."""
        size = _size(key, content)
        if size > self._limit:
            return 0
        evicted = 0
        with self._lock:
            former = self._entries.pop(key, None)
            if former is not None:
                self.size -= _size(key, former)
            self._entries[key] = content
            self.size += size
            while self.size > self._limit:
                self.size -= _size(*self._entries.popitem(last=False))
                evicted += 1
        return evicted


def _size(key: bytes, content: bytes) -> int:
    return len(key) + len(content) + ENTRY_BYTES
