"""How long a request will take, from two measurements at warm-up."""

from __future__ import annotations

from dataclasses import dataclass

# Longest work in an event loop, which blocks every other client for that long.
INLINE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds by the bytes of a body."""

    base: float = 0.0
    per_byte: float = 0.0

    @classmethod
    def through(cls, short: tuple[int, float], long: tuple[int, float]) -> Estimate:
        """The line through two bodies, each with its bytes and seconds; neither part is negative.

        Both may be the same body.
        """
        per_byte = max(0.0, long[1] - short[1]) / max(1, long[0] - short[0])
        return cls(max(0.0, short[1] - per_byte * short[0]), per_byte)

    def seconds(self, size: int) -> float:
        """For a body of this size."""
        return self.base + self.per_byte * size
