"""Draw all panels of a dashboard as one picture, from the results of their queries.

For the docs, and for reviews of dashboards/ without a Grafana. It shows the data that Grafana would
show; fonts, legends and colours differ.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dashboards.plots import BACK, EDGE, INK, KINDS, PALE, PANEL, PLOTS
from dashboards.source import Source, results

COLUMN, ROW, COLUMNS = 0.8, 0.36, 24
# Around the plot within its panel, inches: left, right, top, bottom (with room for a legend).
MARGINS = (0.75, 0.15, 0.42, 0.72)


def draw(document: dict[str, Any], source: Source, caption: str = "") -> Figure:
    """Return the picture of a dashboard."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in document["panels"])
    width, height = COLUMNS * COLUMN, bottom * ROW + 0.6
    figure = Figure(figsize=(width, height), facecolor=BACK)
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK}):
        figure.text(0.012, 1 - 0.38 / height, document["title"], size=15, weight="bold", color=INK)
        figure.text(0.988, 1 - 0.38 / height, caption, size=10, color=PALE, ha="right")
        for panel in document["panels"]:
            grid = panel["gridPos"]
            left, top = grid["x"] * COLUMN, height - 0.6 - grid["y"] * ROW
            box = (left, top - grid["h"] * ROW, grid["w"] * COLUMN, grid["h"] * ROW)
            _panel(figure, panel, source, box)
    return figure


def _panel(
    figure: Figure, panel: dict[str, Any], source: Source, box: tuple[float, float, float, float]
) -> None:
    left, bottom, width, height = box
    total_width, total_height = figure.get_size_inches()
    title = source.fill(panel["title"])
    if panel["type"] == "row":
        place = ((left + 0.2) / total_width, (bottom + 0.1) / total_height)
        figure.text(*place, title, size=11.5, weight="bold", color=INK)
        return
    patch = FancyBboxPatch(
        ((left + 0.06) / total_width, (bottom + 0.05) / total_height),
        (width - 0.12) / total_width,
        (height - 0.1) / total_height,
        boxstyle="square,pad=0",
        facecolor=PANEL,
        edgecolor=EDGE,
        zorder=-1,
        transform=figure.transFigure,
    )
    figure.patches.append(patch)
    place = ((left + 0.2) / total_width, (bottom + height - 0.27) / total_height)
    figure.text(*place, title, size=10, color=INK)
    inset_left, right, top, low = MARGINS if panel["type"] in PLOTS else (0.2, 0.2, 0.4, 0.12)
    if panel["type"] == "status-history":
        # Names of features instead of numbers.
        inset_left = 1.4
    axes = figure.add_axes(
        (
            (left + inset_left) / total_width,
            (bottom + low) / total_height,
            (width - inset_left - right) / total_width,
            (height - top - low) / total_height,
        ),
        facecolor=PANEL,
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=PALE, length=0, labelsize=8)
    KINDS[panel["type"]](axes, panel, [results(source, t) for t in panel["targets"]], source)
