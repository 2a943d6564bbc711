"""The latest traced request of each bucket, over all workers: an example that leads to its trace.

A record is written over while another process may read it, without a lock. Its checksum tells: what
was read torn, or left behind torn by a worker that was killed, is dropped. (A sequence number would
need stores in order, which not every processor promises.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from app.observability.metrics.shared_files import EXEMPLARS, SharedFiles

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Trace id, value, time; behind them their checksum.
PAYLOAD = struct.Struct("<16sdd")
CHECKSUM = struct.Struct("<Q")
RECORD_BYTES = PAYLOAD.size + CHECKSUM.size


@dataclass(frozen=True)
class TracedValue:
    """A value of a bucket, the trace of its request, and when it was seen (epoch seconds)."""

    trace_id: str
    value: float
    timestamp: float


class SharedExemplars:
    """A record for each slot of the counters; only those of buckets are ever used."""

    def __init__(self, folder: Path | None, slots: int) -> None:
        """`folder` is in memory; None for a single process."""
        self._files = SharedFiles(folder, EXEMPLARS, RECORD_BYTES * slots)

    @property
    def worker_bytes(self) -> int:
        """What the records of a worker take."""
        return self._files.size

    def records(self, worker: int) -> memoryview:
        """The memory of a worker, for `write`."""
        return self._files.open(worker)

    def latest(self, slots: Iterable[int]) -> dict[int, TracedValue]:
        """Slot -> the newest value in it, of all workers."""
        blocks = self._files.open_all()
        newest: dict[int, TracedValue] = {}
        for slot in slots:
            seen = [value for block in blocks if (value := _read(block, slot)) is not None]
            if seen:
                newest[slot] = max(seen, key=lambda value: value.timestamp)
        return newest


def write(records: memoryview, slot: int, trace_id: bytes, value: float, timestamp: float) -> None:
    """Replace the record of a slot; for the worker whose memory this is."""
    payload = PAYLOAD.pack(trace_id, value, timestamp)
    start = slot * RECORD_BYTES
    records[start : start + RECORD_BYTES] = payload + CHECKSUM.pack(crc32(payload))


def _read(records: memoryview, slot: int) -> TracedValue | None:
    start = slot * RECORD_BYTES
    record = bytes(records[start : start + RECORD_BYTES])
    payload = record[: PAYLOAD.size]
    # Memory that nobody has written to is no record either: the checksum of zeros is not zero.
    if CHECKSUM.unpack_from(record, PAYLOAD.size)[0] != crc32(payload):
        return None
    trace_id, value, timestamp = PAYLOAD.unpack(payload)
    return TracedValue(trace_id.hex(), value, timestamp)
