"""Panels by title, unit, queries and description, with our data source and style.

The description is required: whoever is on call at night must know what a value means.
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
# The series of a release's pods, scraped through a ServiceMonitor or a PodMonitor.
SERIES = 'namespace="$namespace",job=~"($namespace/)?$release"'
# The same for routes that predict: probes and pages are not part of a service level.
PREDICTIONS = SERIES + ',route=~".*[/:](predict|predict/batch|invocations|infer|ModelInfer)"'
# And for those that explain.
EXPLANATIONS = SERIES + ',route=~".*[/:]explain"'
# The series that the recording rules write for it (charts/ml-model/files/rules.yaml).
RECORDED = 'namespace="$namespace",release="$release"'
# Its pods in the series of kube-state-metrics.
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
    """Return a PromQL query; `legend` is a template of label names."""
    target = prometheus.Dataquery().expr(expr).format(kind).datasource(SOURCE)
    target = target.instant() if instant else target.range()
    return target.legend_format(legend) if legend else target


def table_query(expr: str) -> prometheus.Dataquery:
    """Return a query for a table: one row for each series, its labels as columns."""
    return query(expr, instant=True, kind=PromQueryFormat.TABLE)


def _with_ref_ids(queries: Sequence[prometheus.Dataquery]) -> list[Any]:
    return [target.ref_id(chr(ord("A") + at)) for at, target in enumerate(queries)]


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Return the thresholds from (value, color) steps."""
    entries = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(entries)


def time_series_panel(
    title: str,
    unit: str,
    *queries: prometheus.Dataquery,
    description: str,
    width: int = 8,
    stacked: bool = False,
    marks: Steps = (),
    minimum: float | None = 0,
    maximum: float | None = None,
) -> timeseries.Panel:
    """Return a time series; `marks` are dashed threshold lines."""
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
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .targets(_with_ref_ids(queries))
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
    if minimum is not None:
        panel = panel.min(minimum)
    if maximum is not None:
        panel = panel.max(maximum)
    if marks:
        style = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(marks)).thresholds_style(style)
    return panel


def stat_panel(
    title: str,
    unit: str,
    expr: str,
    *,
    description: str,
    steps: Steps = ((None, BLUE),),
    width: int = 4,
    decimals: int | None = None,
    none: str = "no data",
    legend: str = "",
    label: bool = False,
) -> stat.Panel:
    """Return a stat, coloured by thresholds; with `label` it shows its legend, not its value."""
    shown = options.BigValueTextMode.NAME if label else options.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .targets(_with_ref_ids([query(expr, legend, instant=True)]))
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


def heatmap_panel(
    title: str, unit: str, expr: str, *, description: str, width: int = 12
) -> heatmap.Panel:
    """Return a heatmap: a histogram over time, from `sum by (le)`."""
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
        .description(description)
        .datasource(SOURCE)
        .unit("short")
        .targets(_with_ref_ids([query(expr, "{{le}}", kind=PromQueryFormat.HEATMAP)]))
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


def status_history_panel(
    title: str,
    unit: str,
    expr: str,
    legend: str,
    *,
    description: str,
    steps: Steps,
    width: int = 24,
) -> statushistory.Panel:
    """Return a status history: a row for each series, a cell for each time, coloured by value."""
    return (
        statushistory.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .decimals(2)
        .targets(_with_ref_ids([query(expr, legend)]))
        .span(width)
        .height(9)
        # Grafana shows an error, not a coarser picture, when there are more cells than fit.
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


def bar_chart_panel(
    title: str,
    unit: str,
    label: str,
    live: str,
    reference: str,
    *,
    description: str,
    width: int = 12,
) -> barchart.Panel:
    """Return a bar chart: two bars for each value of a label, reference and live."""
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
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .targets(_with_ref_ids([table_query(reference), table_query(live)]))
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


def table_panel(
    title: str,
    *queries: tuple[str, str, str],
    description: str,
    names: dict[str, str] | None = None,
    hidden: Sequence[str] = (),
    width: int = 24,
    height: int = 9,
) -> table.Panel:
    """Return a table of current values: a query for each (column, unit, expr), joined by labels."""
    targets = _with_ref_ids([table_query(expr) for _, _, expr in queries])
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
        .description(description)
        .datasource(SOURCE)
        .unit("short")
        .targets(targets)
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(organize)
        .span(width)
        .height(height)
        .show_header(True)
        .no_value("none")
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
