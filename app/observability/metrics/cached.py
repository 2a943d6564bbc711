"""What the prediction cache counts -> the numbers of its metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.observability.metrics import families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.observability.metrics.families import Family


@dataclass(frozen=True)
class CacheState:
    """How a worker's cache is: `counts` and `waited` since it was asked last, the rest now."""

    counts: Mapping[str, int] = field(default_factory=dict)
    # Seconds, for Redis.
    waited: float = 0.0
    size: int = 0
    is_connected: bool = False


class CacheSlots:
    """The slots of the cache's series; `limit` is the worker's constant."""

    def __init__(self, add: Callable[..., int]) -> None:
        """`add` reserves the slots of a series."""
        self._counters = {
            **_slots(add, families.CACHE_HITS, families.CACHE_LEVELS, ""),
            "miss": add(families.CACHE_MISSES),
            **_slots(add, families.CACHE_ERRORS, families.CACHE_REASONS, "error-"),
            "evicted": add(families.CACHE_EVICTIONS),
        }
        self._waited = add(families.CACHE_WAIT)
        self._size = add(families.CACHE_BYTES)
        self.limit = add(families.CACHE_LIMIT)
        self._connected = add(families.CACHE_CONNECTED)

    def apply(self, numbers: memoryview[float], state: CacheState) -> None:
        """Add the counts and set the gauges."""
        for what, count in state.counts.items():
            numbers[self._counters[what]] += count
        numbers[self._waited] += state.waited
        numbers[self._size] = state.size
        numbers[self._connected] = float(state.is_connected)


def _slots(
    add: Callable[..., int], family: Family, labels: tuple[str, ...], prefix: str
) -> dict[str, int]:
    return {f"{prefix}{label}": add(family, label) for label in labels}
