"""What all dashboards share: variables, links, annotations, and rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import BLUE, RECORDED, RED, SERIES, SOURCE

TAG = "ml-model"
# A PodMonitor's job is `<namespace>/<name>`: the name is the release.
RELEASE = "/(?:[^/]*\\/)?(.+)/"
Row = tuple[str, Sequence[builder.Builder[models.Panel]]]


def choice(
    name: str, label: str, query: str, *, many: bool = False, regex: str = ""
) -> dashboard.QueryVariable:
    """Return a variable with the values of a label."""
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(many)
        .include_all(many)
        .regex(regex)
    )
    if many:
        variable = variable.all_value(".*").current(
            models.VariableOption(text="All", value="$__all")
        )
    return variable


def fixed(
    name: str, label: str, values: str, current: str, description: str
) -> dashboard.CustomVariable:
    """Return a variable with a fixed list of values."""
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(description)
        .values(values)
        .current(models.VariableOption(text=current, value=current))
    )


def namespaces(*, many: bool = False) -> dashboard.QueryVariable:
    """Return the variable of the environment's namespace."""
    return choice("namespace", "Namespace", "label_values(ml_model_info, namespace)", many=many)


def releases() -> dashboard.QueryVariable:
    """Return the variable of the release: the label `job`, which is the name of its Service."""
    values = 'label_values(ml_model_info{namespace="$namespace"}, job)'
    return choice("release", "Release (job)", values, regex=RELEASE)


def annotation(name: str, color: str, expr: str) -> dashboard.AnnotationQuery:
    """Return an annotation: events marked in every panel."""
    return dashboard.AnnotationQuery().name(name).datasource(SOURCE).icon_color(color).expr(expr)


# Fields that the SDK lacks, without which an annotation has no text.
ANNOTATION_FORMATS = {
    "Rollouts": {"titleFormat": "Rollout of {{version}}", "textFormat": "{{digest}}"},
    "Alerts": {"titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{feature}}"},
}
ROLLOUTS = annotation(
    "Rollouts",
    BLUE,
    f"count by (version, digest) (ml_model_info{{{SERIES}}}) "
    f"unless on (digest) count by (digest) (ml_model_info{{{SERIES}}} offset 2m)",
)
ALERTS = annotation(
    "Alerts",
    RED,
    f'ALERTS{{{RECORDED},alertname=~"Ml.*",alertstate="firing"}}',
)


def make_dashboard(
    name: str,
    title: str,
    *rows: Row,
    description: str,
    variables: Sequence[builder.Builder[models.VariableModel]],
    annotations: Sequence[dashboard.AnnotationQuery] = (),
    since: str = "now-6h",
) -> dict[str, Any]:
    """Return a dashboard as JSON data."""
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    links = (
        dashboard.DashboardLink("Dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    board = (
        dashboard.Dashboard(title)
        .uid(f"ml-{name}")
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time(since, "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(links)
        .variables([source, *variables])
        .annotations(list(annotations))
    )
    for heading, panels in rows:
        board = board.with_row(dashboard.Row(heading))
        for panel in panels:
            board = board.with_panel(panel)
    document: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    for number, panel in enumerate(document["panels"], 1):
        panel["id"] = number
    for entry in document["annotations"]["list"]:
        entry.update(ANNOTATION_FORMATS[entry["name"]], step="60s")
    return document
