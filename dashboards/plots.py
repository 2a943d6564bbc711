"""Draw the query results of a panel, with one function for each panel type."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from dashboards.source import Series, Source
from dashboards.units import text

BACK, PANEL, EDGE, INK, PALE = "#111217", "#181b1f", "#2c3235", "#d8d9da", "#8e9297"
COLORS = {
    "green": "#73bf69", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c",
    "blue": "#5794f2",
}  # fmt: skip
PALETTE = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#b877d9", "#f2495c", "#37872d", "#8ab8ff",
    "#ffb357", "#ca95e5", "#c4162a", "#96d98d",
)  # fmt: skip
MAX_NAMES = 12
MAX_LEGEND_LINES = 2


def _defaults(panel: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return defaults


def _steps(panel: dict[str, Any]) -> list[tuple[float, str]]:
    steps = _defaults(panel).get("thresholds", {}).get("steps", [])
    return [(-math.inf if s["value"] is None else s["value"], COLORS[s["color"]]) for s in steps]


def _color(panel: dict[str, Any], value: float) -> str:
    colors = [color for minimum, color in _steps(panel) if value >= minimum]
    return colors[-1] if colors else COLORS["blue"]


def _named(panel: dict[str, Any], results: list[list[Series]]) -> list[tuple[str, Series]]:
    pairs = zip(panel["targets"], results, strict=True)
    named = [
        (s.legend(target.get("legendFormat", "")), s) for target, listed in pairs for s in listed
    ]
    return sorted(named, key=lambda pair: pair[0])


def _clock(moment: float, source: Source) -> str:
    # The first label would overlap the other axis' zero, the last would leave the panel.
    edge = (source.end - source.start) / 20
    if not source.start + edge < moment < source.end - edge:
        return ""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%H:%M:%S")


def _over_time(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    axes.set_xlim(source.start, source.end)
    axes.xaxis.set_major_locator(MultipleLocator((source.end - source.start) / 5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda moment, _: _clock(moment, source)))
    axes.grid(color=EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    unit = _defaults(panel).get("unit", "short")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))


def _legend(axes: Axes, names: list[str]) -> None:
    """Draw the legend below the plot, in at most two lines; omit what does not fit."""
    if not names:
        return
    # Inches: the marker, and letters of this size.
    entry = 0.45 + 0.062 * max(map(len, names))
    columns = max(1, min(len(names), int(axes.bbox.width / 100 / entry)))
    handles, labels = axes.get_legend_handles_labels()
    count = MAX_LEGEND_LINES * columns
    axes.legend(
        handles[:count], labels[:count],
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns, frameon=False,
        fontsize=7.5, labelcolor=PALE, handlelength=1.2, columnspacing=1, borderaxespad=0,
    )  # fmt: skip


def _empty(axes: Axes, panel: dict[str, Any]) -> None:
    message = _defaults(panel).get("noValue", "no data")
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=PALE)


def _time_series(
    axes: Axes, panel: dict[str, Any], results: list[list[Series]], source: Source
) -> None:
    named = _named(panel, results)
    _over_time(axes, panel, source)
    defaults = _defaults(panel)
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    if not named:
        axes.set_yticks([])
        _empty(axes, panel)
        return
    if stacked:
        times = sorted({moment for _, series in named for moment in series.times})
        heights = []
        for _, series in named:
            at = dict(zip(series.times, series.values, strict=True))
            values = [at.get(moment, 0.0) for moment in times]
            heights.append([value if math.isfinite(value) else 0.0 for value in values])
        colors = [PALETTE[at % len(PALETTE)] for at in range(len(named))]
        names = [name for name, _ in named]
        axes.stackplot(times, heights, labels=names[:MAX_NAMES], colors=colors, alpha=0.7)
    else:
        for number, (name, series) in enumerate(named):
            label = name if number < MAX_NAMES else None
            color = PALETTE[number % len(PALETTE)]
            axes.plot(series.times, series.values, label=label, color=color, linewidth=1.6)
    top = axes.get_ylim()[1]
    for value, color in _steps(panel):
        if defaults["custom"].get("thresholdsStyle") and math.isfinite(value) and value <= 2 * top:
            axes.axhline(value, color=color, linewidth=1, linestyle="--")
    axes.set_ylim(bottom=defaults.get("min"), top=defaults.get("max"))
    _legend(axes, [name for name, _ in named][:MAX_NAMES])


def _stat(axes: Axes, panel: dict[str, Any], results: list[list[Series]], _source: Source) -> None:
    axes.set_axis_off()
    named = _named(panel, results)
    defaults = _defaults(panel)
    if not named:
        _empty(axes, panel)
        return
    value = named[0][1].values[-1]
    shown = text(value, defaults.get("unit", "short"), defaults.get("decimals"))
    if panel["options"]["textMode"] == "name":
        shown = ", ".join(name for name, _ in named)
    size = min(26, 26 * 11 / max(11, len(shown)))
    axes.text(
        0.5, 0.48, shown, transform=axes.transAxes, ha="center", va="center", size=size,
        weight="bold", color=_color(panel, value),
    )  # fmt: skip


def _heatmap(
    axes: Axes, panel: dict[str, Any], results: list[list[Series]], source: Source
) -> None:
    series = sorted((s for listed in results for s in listed), key=lambda s: float(s.labels["le"]))
    times = sorted({moment for s in series for moment in s.times})
    _over_time(axes, panel, source)
    if not times:
        _empty(axes, panel)
        return
    before = [0.0] * len(times)
    counts = []
    for s in series:
        at = dict(zip(s.times, s.values, strict=True))
        upto = [at.get(moment, 0.0) for moment in times]
        counts.append([max(0.0, u - b) or math.nan for u, b in zip(upto, before, strict=True)])
        before = upto
    middles = range(len(series))
    mesh = axes.pcolormesh(
        times,
        list(middles),
        counts,
        cmap="Spectral_r",
        norm=PowerNorm(0.5),
        shading="nearest",
    )
    mesh.set_edgecolor("face")
    unit = panel["options"]["yAxis"]["unit"]
    bounds = [float(s.labels["le"]) for s in series]
    axes.set_yticks([at for at in middles if at % 2 == 0])
    axes.set_yticklabels(
        ["more" if math.isinf(b) else text(b, unit) for b in bounds][::2], fontsize=7.5
    )
    axes.set_ylim(-0.5, len(series) - 0.5)
    axes.grid(visible=False)


def _status_history(
    axes: Axes, panel: dict[str, Any], results: list[list[Series]], source: Source
) -> None:
    named = _named(panel, results)[::-1]
    _over_time(axes, panel, source)
    axes.grid(visible=False)
    steps = _steps(panel)
    if not named:
        _empty(axes, panel)
        return
    # Every time of the query, so that a gap is shown as a gap and not as a wider cell.
    count = int((source.end - source.start) / source.step) + 1
    times = [source.start + at * source.step for at in range(count)]
    rows = []
    for _, series in named:
        indexes = [round((time - source.start) / source.step) for time in series.times]
        at = dict(zip(indexes, series.values, strict=True))
        levels = [
            sum(at[index] >= minimum for minimum, _ in steps) - 1 if index in at else math.nan
            for index in range(count)
        ]
        rows.append([float(level) for level in levels])
    axes.pcolormesh(
        times, list(range(len(named))), rows, cmap=ListedColormap([c for _, c in steps]),
        vmin=-0.5, vmax=len(steps) - 0.5, shading="nearest", edgecolors=PANEL, linewidth=1.2,
    )  # fmt: skip
    axes.set_yticks(range(len(named)), [name for name, _ in named])
    axes.tick_params(axis="y", labelsize=7.5)


def _bar_chart(
    axes: Axes, panel: dict[str, Any], results: list[list[Series]], _source: Source
) -> None:
    label = panel["options"]["xField"]
    sides = [{s.labels[label]: s.values[-1] for s in listed} for listed in results]
    names = sorted({name for side in sides for name in side})
    unit = _defaults(panel)["unit"]
    for at, (side, legend) in enumerate(zip(sides, ("reference", "live"), strict=True)):
        places = [place + (at - 0.5) * 0.4 for place in range(len(names))]
        heights = [side.get(name, 0.0) for name in names]
        axes.bar(places, heights, 0.36, label=legend, color=PALETTE[(2, 3)[at]], alpha=0.85)
    axes.set_xticks(range(len(names)), names)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))
    axes.grid(axis="y", color=EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    _legend(axes, ["reference", "live"])


def _table(axes: Axes, panel: dict[str, Any], results: list[list[Series]], _source: Source) -> None:
    axes.set_axis_off()
    organize = panel["transformations"][-1]["options"]
    names, hidden = organize["renameByName"], organize["excludeByName"]
    units = {
        o["matcher"]["options"]: next(p["value"] for p in o["properties"] if p["id"] == "unit")
        for o in panel["fieldConfig"]["overrides"]
    }
    keys = [{k: v for k, v in s.labels.items() if k != "__name__"} for s in results[0]]
    columns = [k for k in sorted({k for key in keys for k in key}) if k not in hidden]
    values = [names[f"Value #{target['refId']}"] for target in panel["targets"]]
    lines = []
    for key in sorted(keys, key=lambda k: sorted(k.items())):
        line = [key.get(column, "")[:46] for column in columns]
        for name, listed in zip(values, results, strict=True):
            matches = [
                s
                for s in listed
                if all(key.get(k, v) == v for k, v in s.labels.items() if k != "__name__")
            ]
            line.append(text(matches[0].values[-1], units[name]) if matches else "-")
        lines.append(line)
    heads = [names.get(column, column) for column in columns] + values
    if not lines:
        _empty(axes, panel)
        return
    step = 0.3 / (axes.bbox.height / 100)
    for at, head in enumerate(heads):
        place = at / len(heads)
        axes.text(
            place, 1, head, transform=axes.transAxes, va="top", weight="bold", color=COLORS["blue"]
        )
        for row, line in enumerate(lines[: int(1 / step) - 1], 1):
            axes.text(place, 1 - row * step, line[at], transform=axes.transAxes, va="top", size=8.5)


Draw = Callable[[Axes, dict[str, Any], list[list[Series]], Source], None]
KINDS: dict[str, Draw] = {
    "timeseries": _time_series,
    "stat": _stat,
    "heatmap": _heatmap,
    "status-history": _status_history,
    "barchart": _bar_chart,
    "table": _table,
}
PLOTS = {"timeseries", "heatmap", "status-history", "barchart"}
