"""Durations in human-readable form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

MINUTE_SECONDS = 60
HOUR_MINUTES = 60
DAY_HOURS = 24


def span(duration: timedelta) -> str:
    """A duration in its largest useful unit, rounded down: `3 d`, `5 h`, `12 min`."""
    minutes = max(int(duration.total_seconds()), 0) // MINUTE_SECONDS
    if minutes < 2 * HOUR_MINUTES:
        return f"{minutes} min"
    hours = minutes // HOUR_MINUTES
    return f"{hours} h" if hours < 2 * DAY_HOURS else f"{hours // DAY_HOURS} d"
