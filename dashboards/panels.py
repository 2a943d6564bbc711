"""What panels and dashboards of ours have in common: data source, variables, looks.

A panel is asked for by title, unit and queries; a description is part of it, because a number that
nobody can explain helps nobody at night.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statushistory,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heat_options
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
# What one release's pods export, scraped through a ServiceMonitor or a PodMonitor.
SERIES = 'namespace="$namespace",job=~"($namespace/)?$release"'
# The same, of the routes that predict: probes and pages are not part of any promise.
PREDICTIONS = SERIES + ',route=~".*[/:](predict|predict/batch|infer)"'
# What the rules record for it (charts/ml-model/files/rules.yaml).
RECORDED = 'namespace="$namespace",release="$release"'
# Its pods as kube-state-metrics names them.
PODS = 'namespace="$namespace",pod=~"$release-[a-z0-9]+-[a-z0-9]{5}"'
GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
Steps = Sequence[tuple[float | None, str]]


def query(
    expr: str,
    legend: str = "",
    *,
    instant: bool = False,
    kind: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> prometheus.Dataquery:
    """One PromQL query; `legend` is a template of label names."""
    made = prometheus.Dataquery().expr(expr).format(kind).datasource(SOURCE)
    made = made.instant() if instant else made.range()
    return made.legend_format(legend) if legend else made


def now(expr: str) -> prometheus.Dataquery:
    """A query for a table: one row for each series, its labels as columns."""
    return query(expr, instant=True, kind=PromQueryFormat.TABLE)


def _lettered(queries: Sequence[prometheus.Dataquery]) -> list[Any]:
    return [made.ref_id(chr(ord("A") + at)) for at, made in enumerate(queries)]


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours from values on."""
    listed = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(listed)


def lines(
    title: str,
    unit: str,
    *queries: prometheus.Dataquery,
    about: str,
    width: int = 8,
    stacked: bool = False,
    marks: Steps = (),
    least: float | None = 0,
    most: float | None = None,
) -> timeseries.Panel:
    """Lines over time; `marks` are dashed lines at values that mean something."""
    legend = (
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = (
        common.VizTooltipOptions()
        .mode(options.TooltipDisplayMode.MULTI)
        .sort(options.SortOrder.DESCENDING)
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .targets(_lettered(queries))
        .span(width)
        .height(8)
        .line_width(2)
        .fill_opacity(60 if stacked else 8)
        .show_points(options.VisibilityMode.NEVER)
        .legend(legend)
        .tooltip(tooltip)
    )
    if stacked:
        mode = common.StackingConfig().mode(options.StackingMode.NORMAL).group("A")
        panel = panel.stacking(mode).line_width(1)
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if marks:
        style = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(marks)).thresholds_style(style)
    return panel


def number(
    title: str,
    unit: str,
    expr: str,
    *,
    about: str,
    steps: Steps = ((None, BLUE),),
    width: int = 4,
    decimals: int | None = None,
    none: str = "no data",
    legend: str = "",
    label: bool = False,
) -> stat.Panel:
    """One large number, coloured by what it means; with `label` its legend instead of its value."""
    shown = options.BigValueTextMode.NAME if label else options.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .targets(_lettered([query(expr, legend, instant=True)]))
        .span(width)
        .height(4)
        .thresholds(thresholds(steps))
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(shown)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(none)
    )
    return panel if decimals is None else panel.decimals(decimals)


def buckets(title: str, unit: str, expr: str, *, about: str, width: int = 12) -> heatmap.Panel:
    """A histogram over time: how many in which bucket, from `sum by (le)`."""
    colors = (
        heatmap.HeatmapColorOptions()
        .mode(heat_options.HeatmapColorMode.SCHEME)
        .scheme("Spectral")
        .scale(heat_options.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
        .reverse(True)
    )
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit("short")
        .targets(_lettered([query(expr, "{{le}}", kind=PromQueryFormat.HEATMAP)]))
        .span(width)
        .height(8)
        .calculate(False)
        .cell_gap(1)
        .color(colors)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .show_legend()
        .mode(options.TooltipDisplayMode.SINGLE)
    )


def cells(
    title: str, unit: str, expr: str, legend: str, *, about: str, steps: Steps, width: int = 24
) -> statushistory.Panel:
    """A row for each series, a cell for each moment, coloured by its value."""
    return (
        statushistory.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .decimals(2)
        .targets(_lettered([query(expr, legend)]))
        .span(width)
        .height(9)
        # More cells than fit are an error there, not a coarser picture.
        .max_data_points(80)
        .show_value(options.VisibilityMode.NEVER)
        .row_height(0.9)
        .fill_opacity(85)
        .thresholds(thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )


def beside(
    title: str, unit: str, label: str, live: str, reference: str, *, about: str, width: int = 12
) -> barchart.Panel:
    """Two bars for each value of a label: reference and live."""
    joined = models.DataTransformerConfig(
        id_val="joinByField", options={"byField": label, "mode": "outer"}
    )
    organized = models.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(("Time", "Time 1", "Time 2"), True),
            "renameByName": {"Value #A": "reference", "Value #B": "live"},
        },
    )
    return (
        barchart.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .targets(_lettered([now(reference), now(live)]))
        .with_transformation(joined)
        .with_transformation(organized)
        .span(width)
        .height(8)
        .x_field(label)
        .group_width(0.8)
        .bar_width(0.9)
        .fill_opacity(75)
        .show_value(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    )


def rows(
    title: str,
    *queries: tuple[str, str, str],
    about: str,
    names: dict[str, str] | None = None,
    hidden: Sequence[str] = (),
    width: int = 24,
    height: int = 9,
) -> table.Panel:
    """A table of what is now: a query each for (column, unit, expr), joined by their labels."""
    made = _lettered([now(expr) for _, _, expr in queries])
    columns = {f"Value #{chr(ord('A') + at)}": name for at, (name, _, _) in enumerate(queries)}
    organize = models.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(("Time", *hidden), True),
            "renameByName": {**columns, **(names or {})},
        },
    )
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit("short")
        .targets(made)
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(organize)
        .span(width)
        .height(height)
        .show_header(True)
        .no_value("nothing")
    )
    for name, unit, _ in queries:
        panel = panel.override_by_name(
            name,
            [
                models.DynamicConfigValue(id_val="unit", value=unit),
                models.DynamicConfigValue(id_val="decimals", value=0 if unit == "short" else 2),
            ],
        )
    return panel
