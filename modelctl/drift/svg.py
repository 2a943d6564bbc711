"""Plots as inline SVG, without scripts or fonts; colours are in templates/drift.css.

Every text is escaped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

WIDTH = 360.0
LEFT, RIGHT, TOP, HEIGHT = 34.0, 8.0, 8.0, 116.0
LINE = 13.0
SLANTED_ROOM = 52.0
PLOT = WIDTH - LEFT - RIGHT
# The width of a letter; edges that would overlap are omitted.
LETTER = 5.6
MAX_LETTERS = 12


@dataclass(frozen=True)
class Bar:
    """One bin: its name, and its shares of reference and live rows, from 0 to 1."""

    text: str
    reference: float
    live: float


def bars(shown: list[Bar], edges: list[str], first_range: int, title: str) -> str:
    """Pairs of columns. `edges` are printed between the columns from `first_range` on.

    Columns without edges have their names below, slanted if there are many or long ones.
    """
    max_share = _axis_end(max([0.01, *(max(bar.reference, bar.live) for bar in shown)]))
    step = PLOT / max(1, len(shown))
    parts = [_grid(max_share)]
    for index, bar in enumerate(shown):
        left = LEFT + index * step
        tooltip = f"{bar.text}: reference {bar.reference:.1%}, live {bar.live:.1%}"
        parts.append(
            f"<g><title>{escape(tooltip)}</title>"
            f"{_column('reference', left + step * 0.12, step * 0.36, bar.reference / max_share)}"
            f"{_column('live', left + step * 0.52, step * 0.36, bar.live / max_share)}</g>"
        )
    ranges = range(first_range, first_range + max(0, len(edges) - 1))
    room = LETTER * max(map(len, edges), default=0) + 2
    every = max(1, math.ceil(room / step))
    for index, edge in enumerate(edges):
        if index % every == 0:
            parts.append(_text(edge, LEFT + (first_range + index) * step, 1))
    plain = [(index, bar) for index, bar in enumerate(shown) if not edges or index not in ranges]
    slanted = not edges and (len(plain) > 4 or any(len(bar.text) > 12 for _, bar in plain))
    # Edges have the first line to themselves.
    line = 2 if edges and plain else 1
    for index, bar in plain:
        parts.append(_name(bar.text, LEFT + (index + 0.5) * step, line, slanted=slanted))
    height = TOP + HEIGHT + (SLANTED_ROOM if slanted else LINE * line + 6)
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def compact(number: float) -> str:
    """A number in few characters, with the suffix k, M or G instead of an exponent."""
    size = abs(number)
    if size < 1000 or size >= 1e12:
        return f"{number:.3g}"
    if size < 10_000:
        return f"{number:.0f}"
    power, letter = next(
        (power, letter) for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if size >= power
    )
    return f"{number / power:.3g}{letter}"


def gauge(value: float, warning: float, critical: float, level: str) -> str:
    """A horizontal bar with both thresholds, for a table row."""
    width, height = 160.0, 14.0
    scale = width / max(2 * critical, 1e-9)
    length = min(width, max(1.5, value * scale))
    marks = "".join(
        f'<line class="threshold" x1="{at * scale:.1f}" x2="{at * scale:.1f}" y1="0" y2="14"/>'
        for at in (warning, critical)
    )
    return (
        f'<svg class="gauge" viewBox="0 0 {width:g} {height:g}" aria-hidden="true">'
        f'<rect class="track" width="{width:g}" height="6" y="4" rx="3"/>'
        f'<rect class="fill {level}" width="{length:.1f}" height="6" y="4" rx="3"/>{marks}</svg>'
    )


def interval(before: float, live: float, low: float, high: float) -> str:
    """The packaged value, the live value and its confidence interval, for a table row."""
    width, height = 240.0, 22.0
    start, end = min(before, low), max(before, high)
    margin = (end - start or abs(end) or 1.0) * 0.12
    scale = (width - 12) / (end - start + 2 * margin)

    def at(value: float) -> float:
        return 6 + (value - start + margin) * scale

    return (
        f'<svg class="interval" viewBox="0 0 {width:g} {height:g}" aria-hidden="true">'
        f'<line class="axis" x1="0" x2="{width:g}" y1="11" y2="11"/>'
        f'<line class="whisker" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="11" y2="11"/>'
        f'<rect class="reference" x="{at(before) - 2:.1f}" y="3" width="4" height="16" rx="1"/>'
        f'<circle class="live" cx="{at(live):.1f}" cy="11" r="5"/></svg>'
    )


def _grid(max_share: float) -> str:
    lines = []
    for part in (0.0, 0.5, 1.0):
        y = TOP + HEIGHT * (1 - part)
        kind = "axis" if part == 0 else "grid"
        lines.append(
            f'<line class="{kind}" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:g}" y2="{y:g}"/>'
            f'<text x="{LEFT - 5:g}" y="{y + 3.5:g}" text-anchor="end">'
            f"{_percent(max_share * part)}</text>"
        )
    return "".join(lines)


def _column(kind: str, left: float, width: float, share: float) -> str:
    height = HEIGHT * share
    # A minimum height, so that small shares are visible.
    height = max(height, 1.5) if share > 0 else 0.0
    top = TOP + HEIGHT - height
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"/>'
    )


def _text(text: str, x: float, line: int) -> str:
    y = TOP + HEIGHT + 1 + LINE * line
    return f'<text x="{x:.1f}" y="{y:g}" text-anchor="middle">{escape(text)}</text>'


def _name(text: str, x: float, line: int, *, slanted: bool) -> str:
    short = text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"
    if not slanted:
        return _text(short, x, line)
    y = TOP + HEIGHT + 11
    return (
        f'<text x="{x:.1f}" y="{y:g}" text-anchor="end" '
        f'transform="rotate(-35 {x:.1f} {y:g})">{escape(short)}</text>'
    )


def _axis_end(value: float) -> float:
    """The next round number (1, 2, 4, 5 or 10 times a power of ten) for the end of an axis."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= value * 0.9999)


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"
