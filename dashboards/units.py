"""Format values in the Grafana units that our panels use."""

from __future__ import annotations

import datetime
import math

TIMES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
COUNTS = ((1e6, "M"), (1e3, "K"), (1, ""))


def text(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value with its unit."""
    if not math.isfinite(value):
        return "-"
    if unit == "dateTimeFromNow":
        return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC).strftime("%H:%M:%S")
    if unit == "percentunit":
        return f"{_round(value * 100, decimals)} %"
    if unit == "s":
        return _scaled(value, TIMES, decimals)
    if unit == "bytes":
        return _scaled(value, SIZES, decimals)
    if unit == "reqps":
        return f"{_scaled(value, COUNTS, decimals)} req/s"
    return _scaled(value, COUNTS, decimals)


def _scaled(value: float, scale: tuple[tuple[float, str], ...], decimals: int | None) -> str:
    if value == 0:
        return f"0 {scale[-1][1] if scale is SIZES else ''}".strip()
    for factor, name in scale:
        if abs(value) >= factor:
            return f"{_round(value / factor, decimals)} {name}".strip()
    factor, name = scale[-1]
    return f"{_round(value / factor, decimals)} {name}".strip()


def _round(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
