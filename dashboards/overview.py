"""All environments: the versions, their traffic and errors, alerts, Argo CD."""

from __future__ import annotations

from typing import Any

from dashboards import layout
from dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    query,
    stat_panel,
    table_panel,
    time_series_panel,
)

CHOSEN = 'namespace=~"$namespace"'
PREDICTIONS = CHOSEN + ',route=~".*[/:](predict|predict/batch|invocations|infer|ModelInfer)"'
FIRING = f'ALERTS{{{CHOSEN},alertname=~"Ml.*",alertstate="firing"}}'
RATE = "$__rate_interval"


def released(expr: str) -> str:
    """Return the expression with the label `release`, whichever monitor set `job`."""
    return f'label_replace({expr}, "release", "$1", "job", "(?:.*/)?(.+)")'


def requests(more: str = "") -> str:
    """Return the rate of prediction requests by release."""
    return f"sum by (namespace, job) (rate(ml_requests_total{{{PREDICTIONS}{more}}}[{RATE}]))"


ERRORS = ',code=~"5.."'
P99 = (
    "histogram_quantile(0.99, sum by (namespace, job, le) "
    f"(rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}])))"
)
NAME = "{{namespace}} {{release}}"


def make() -> dict[str, Any]:
    """Return the dashboard."""
    return layout.make_dashboard(
        "overview",
        "ML models: environments",
        ("Current state", _current()),
        ("By release", _releases()),
        ("Traffic", _traffic()),
        ("Cluster and Argo CD", _cluster()),
        description="Every model in every environment. Alerts and drift need the chart's rules.",
        variables=[layout.namespaces(many=True)],
    )


def _current() -> list[Any]:
    return [
        stat_panel(
            "Releases",
            "short",
            f"count(count by (namespace, job) (ml_model_info{{{CHOSEN}}}))",
            description="Releases with scraped pods; a release is one model in one environment.",
        ),
        stat_panel(
            "Pods",
            "short",
            f"count(count by (namespace, pod) (ml_model_info{{{CHOSEN}}}))",
            description="Pods that serve a model.",
        ),
        stat_panel(
            "Request rate",
            "reqps",
            f"sum(rate(ml_requests_total{{{PREDICTIONS}}}[{RATE}]))",
            description="Prediction requests per second over all releases.",
        ),
        stat_panel(
            "Error ratio",
            "percentunit",
            f"sum(rate(ml_requests_total{{{PREDICTIONS}{ERRORS}}}[{RATE}])) "
            f"/ (sum(rate(ml_requests_total{{{PREDICTIONS}}}[{RATE}])) > 0)",
            description="Share of prediction requests answered with 5xx.",
            steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
            decimals=2,
            none="no traffic",
        ),
        stat_panel(
            "Firing alerts",
            "short",
            f"count({FIRING}) or vector(0)",
            description="Firing alerts of ml-model releases.",
            steps=((None, GREEN), (1, RED)),
        ),
        stat_panel(
            "Highest PSI",
            "short",
            f'max(ml:feature_psi{{{CHOSEN},window="1h"}})',
            description="Highest population stability index of any feature over the last hour: "
            "moderate drift from 0.1, significant from 0.25. Needs the chart's rules and 500 rows.",
            steps=((None, GREEN), (0.1, YELLOW), (0.25, RED)),
            decimals=2,
            none="too few rows",
        ),
    ]


def _releases() -> list[Any]:
    info = f"sum by (namespace, job, name, version, engine) (ml_model_info{{{CHOSEN}}})"
    age = (
        "max by (namespace, job) "
        f"(time() - ml_model_created_timestamp_seconds{{{CHOSEN}}})"
    )  # fmt: skip
    saturation = (
        f"sum by (namespace, job) (ml_requests_in_flight{{{CHOSEN}}}) "
        f"/ sum by (namespace, job) (ml_requests_in_flight_limit{{{CHOSEN}}})"
    )
    return [
        table_panel(
            "Release status",
            ("pods", "short", released(info)),
            ("requests/s", "reqps", released(requests())),
            ("errors", "percentunit", released(f"{requests(ERRORS)} / ({requests()} > 0)")),
            ("p99", "s", released(P99)),
            ("saturation", "percentunit", released(saturation)),
            ("model age", "s", released(age)),
            (
                "PSI",
                "short",
                f'max by (namespace, release) (ml:feature_psi{{{CHOSEN},window="1h"}})',
            ),
            description="One row for each release; during a rollout, one for each version.",
            names={"namespace": "environment", "name": "model"},
            hidden=("job",),
        ),
        table_panel(
            "Alerts",
            (
                "since",
                "dateTimeFromNow",
                "max by (namespace, release, alertname, severity, feature) "
                f'(ALERTS_FOR_STATE{{{CHOSEN},alertname=~"Ml.*"}} * 1000 '
                "and ignoring (alertstate) "
                f"{FIRING})",
            ),
            description="Firing alerts and since when. Each alert's runbook is in docs/runbooks.",
            names={"namespace": "environment", "alertname": "alert"},
            height=6,
        ),
    ]


def _traffic() -> list[Any]:
    return [
        time_series_panel(
            "Request rate by release",
            "reqps",
            query(released(requests()), NAME),
            description="Prediction requests per second.",
        ),
        time_series_panel(
            "Error ratio by release",
            "percentunit",
            query(released(f"{requests(ERRORS)} / ({requests()} > 0)"), NAME),
            description="Share of prediction requests answered with 5xx; a gap means no requests.",
        ),
        time_series_panel(
            "p99 latency by release",
            "s",
            query(released(P99), NAME),
            description="99th percentile, from the complete request to its response.",
        ),
        time_series_panel(
            "CPU by release",
            "short",
            query(
                released(
                    "sum by (namespace, job) "
                    f"(rate(process_cpu_seconds_total{{{CHOSEN}}}[{RATE}]) "
                    f"and on (namespace, pod) ml_model_info)"
                ),
                NAME,
            ),
            description="CPU cores used by master and workers of all pods.",
        ),
        time_series_panel(
            "Memory by release",
            "bytes",
            query(
                released(
                    f"sum by (namespace, job) (process_resident_memory_bytes{{{CHOSEN}}} "
                    "and on (namespace, pod) ml_model_info)"
                ),
                NAME,
            ),
            description="Resident memory of master and workers of all pods.",
        ),
        time_series_panel(
            "PSI by release",
            "short",
            query(f'max by (namespace, release) (ml:feature_psi{{{CHOSEN},window="1h"}})', NAME),
            description="Highest population stability index of a release's features over the "
            "last hour.",
            marks=((None, GREEN), (0.1, YELLOW), (0.25, RED)),
        ),
    ]


def _cluster() -> list[Any]:
    unhealthy = 'health_status!="Healthy"'
    return [
        table_panel(
            "Argo CD: OutOfSync or unhealthy",
            (
                "applications",
                "short",
                "sum by (name, dest_namespace, sync_status, health_status) "
                '(argocd_app_info{dest_namespace=~"$namespace",sync_status!="Synced"} '
                f'or argocd_app_info{{dest_namespace=~"$namespace",{unhealthy}}})',
            ),
            description="Applications that are not Synced and Healthy. From Argo CD's own metrics.",
            names={"dest_namespace": "environment", "name": "application"},
            width=12,
            height=8,
        ),
        time_series_panel(
            "Unavailable replicas",
            "short",
            query(
                f"kube_deployment_spec_replicas{{{CHOSEN}}} "
                f"- kube_deployment_status_replicas_available{{{CHOSEN}}}",
                "{{namespace}} {{deployment}}",
            ),
            description="Desired but not available. From kube-state-metrics.",
            width=6,
            marks=((None, GREEN), (1, ORANGE)),
        ),
        time_series_panel(
            "Autoscaler saturation",
            "percentunit",
            query(
                f"kube_horizontalpodautoscaler_status_current_replicas{{{CHOSEN}}} "
                f"/ kube_horizontalpodautoscaler_spec_max_replicas{{{CHOSEN}}}",
                "{{namespace}} {{horizontalpodautoscaler}}",
            ),
            description="Replicas as a share of the autoscaler's maximum. From kube-state-metrics.",
            width=6,
            maximum=1,
            marks=((None, BLUE), (1, RED)),
        ),
    ]
