"""A dashboard of ours: its variables, links, annotations, and rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import parts
from dashboards.parts import SOURCE

TAG = "ml-model"
# A PodMonitor's job is `<namespace>/<name>`: the name is the release.
RELEASE = "/(?:[^/]*\\/)?(.+)/"
Row = tuple[str, Sequence[builder.Builder[models.Panel]]]


def choice(
    name: str, label: str, query: str, *, many: bool = False, regex: str = ""
) -> dashboard.QueryVariable:
    """A variable whose values are those of a label."""
    made = (
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
        made = made.all_value(".*").current(models.VariableOption(text="All", value="$__all"))
    return made


def fixed(name: str, label: str, values: str, current: str, about: str) -> dashboard.CustomVariable:
    """A variable with a list of values."""
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(about)
        .values(values)
        .current(models.VariableOption(text=current, value=current))
    )


def namespaces(*, many: bool = False) -> dashboard.QueryVariable:
    """The environment's namespace."""
    return choice("namespace", "Namespace", "label_values(ml_model_info, namespace)", many=many)


def releases() -> dashboard.QueryVariable:
    """The release: the Service's name, which is the label `job` of a ServiceMonitor's series."""
    values = 'label_values(ml_model_info{namespace="$namespace"}, job)'
    return choice("release", "Release (job)", values, regex=RELEASE)


def annotation(name: str, color: str, expr: str) -> dashboard.AnnotationQuery:
    """Moments marked in every panel."""
    return dashboard.AnnotationQuery().name(name).datasource(SOURCE).icon_color(color).expr(expr)


# The SDK has no word for these, and without them a mark says nothing.
MARKS = {
    "Rollouts": {"titleFormat": "{{version}} begins to serve", "textFormat": "{{digest}}"},
    "Alerts": {"titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{feature}}"},
}
ROLLOUTS = annotation(
    "Rollouts",
    parts.BLUE,
    f"count by (version, digest) (ml_model_info{{{parts.SERIES}}}) "
    f"unless on (digest) count by (digest) (ml_model_info{{{parts.SERIES}}} offset 2m)",
)
ALERTS = annotation(
    "Alerts",
    parts.RED,
    f'ALERTS{{{parts.RECORDED},alertname=~"Ml.*",alertstate="firing"}}',
)


def board(
    name: str,
    title: str,
    *rows: Row,
    about: str,
    variables: Sequence[builder.Builder[models.VariableModel]],
    annotations: Sequence[dashboard.AnnotationQuery] = (),
    since: str = "now-6h",
) -> dict[str, Any]:
    """The dashboard as its JSON has it."""
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    links = (
        dashboard.DashboardLink("Dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    made = (
        dashboard.Dashboard(title)
        .uid(f"ml-{name}")
        .description(about)
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
        made = made.with_row(dashboard.Row(heading))
        for panel in panels:
            made = made.with_panel(panel)
    document: dict[str, Any] = json.loads(JSONEncoder().encode(made.build()))
    for number, panel in enumerate(document["panels"], 1):
        panel["id"] = number
    for mark in document["annotations"]["list"]:
        mark.update(MARKS[mark["name"]], step="60s")
    return document
