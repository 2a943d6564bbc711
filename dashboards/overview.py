"""All environments at one look: what runs where, how it does, what asks for a look."""

from __future__ import annotations

from typing import Any

from dashboards import board
from dashboards.parts import BLUE, GREEN, ORANGE, RED, YELLOW, lines, number, query, rows

CHOSEN = 'namespace=~"$namespace"'
PREDICTIONS = CHOSEN + ',route=~".*[/:](predict|predict/batch|infer)"'
FIRING = f'ALERTS{{{CHOSEN},alertname=~"Ml.*",alertstate="firing"}}'
RATE = "$__rate_interval"


def released(expr: str) -> str:
    """The same with the label `release`, whichever monitor made `job`."""
    return f'label_replace({expr}, "release", "$1", "job", "(?:.*/)?(.+)")'


def requests(more: str = "") -> str:
    """Predictions per second, by release."""
    return f"sum by (namespace, job) (rate(ml_requests_total{{{PREDICTIONS}{more}}}[{RATE}]))"


ERRORS = ',code=~"5.."'
SLOWEST = (
    "histogram_quantile(0.99, sum by (namespace, job, le) "
    f"(rate(ml_request_duration_seconds_bucket{{{PREDICTIONS}}}[{RATE}])))"
)
NAME = "{{namespace}} {{release}}"


def make() -> dict[str, Any]:
    """The dashboard."""
    return board.board(
        "overview",
        "ML models: environments",
        ("Now", _now()),
        ("Release by release", _releases()),
        ("Traffic", _traffic()),
        ("Cluster and Argo CD", _cluster()),
        about="Every model in every environment. Alerts and drift need the rules of the chart.",
        variables=[board.namespaces(many=True)],
    )


def _now() -> list[Any]:
    return [
        number(
            "Releases",
            "short",
            f"count(count by (namespace, job) (ml_model_info{{{CHOSEN}}}))",
            about="Releases whose pods are scraped: one model in one environment each.",
        ),
        number(
            "Pods",
            "short",
            f"count(count by (namespace, pod) (ml_model_info{{{CHOSEN}}}))",
            about="Pods that serve a model.",
        ),
        number(
            "Predictions",
            "reqps",
            f"sum(rate(ml_requests_total{{{PREDICTIONS}}}[{RATE}]))",
            about="Requests for predictions per second, all releases together.",
        ),
        number(
            "Errors",
            "percentunit",
            f"sum(rate(ml_requests_total{{{PREDICTIONS}{ERRORS}}}[{RATE}])) "
            f"/ (sum(rate(ml_requests_total{{{PREDICTIONS}}}[{RATE}])) > 0)",
            about="Share of predictions answered with 5xx.",
            steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
            decimals=2,
            none="no traffic",
        ),
        number(
            "Alerts",
            "short",
            f"count({FIRING}) or vector(0)",
            about="Alerts of ours that fire now.",
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Highest drift",
            "short",
            f'max(ml:feature_psi{{{CHOSEN},window="1h"}})',
            about="Highest population stability index of any feature over the last hour; "
            "0.1 is worth a look, 0.25 another population. Needs the chart's rules and 500 rows.",
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
    flight = (
        f"sum by (namespace, job) (ml_requests_in_flight{{{CHOSEN}}}) "
        f"/ sum by (namespace, job) (ml_requests_in_flight_limit{{{CHOSEN}}})"
    )
    return [
        rows(
            "What runs where",
            ("pods", "short", released(info)),
            ("requests/s", "reqps", released(requests())),
            ("errors", "percentunit", released(f"{requests(ERRORS)} / ({requests()} > 0)")),
            ("p99", "s", released(SLOWEST)),
            ("in flight", "percentunit", released(flight)),
            ("model age", "s", released(age)),
            (
                "drift",
                "short",
                f'max by (namespace, release) (ml:feature_psi{{{CHOSEN},window="1h"}})',
            ),
            about="One row for each release; two while a rollout lasts, one for each version.",
            names={"namespace": "environment", "name": "model"},
            hidden=("job",),
        ),
        rows(
            "Alerts that fire",
            (
                "since",
                "dateTimeFromNow",
                "max by (namespace, release, alertname, severity, feature) "
                f'(ALERTS_FOR_STATE{{{CHOSEN},alertname=~"Ml.*"}} * 1000 '
                "and ignoring (alertstate) "
                f"{FIRING})",
            ),
            about="What fires now, and since when. Each alert's runbook is in docs/runbooks.",
            names={"namespace": "environment", "alertname": "alert"},
            height=6,
        ),
    ]


def _traffic() -> list[Any]:
    return [
        lines(
            "Predictions by release",
            "reqps",
            query(released(requests()), NAME),
            about="Requests for predictions per second.",
        ),
        lines(
            "Errors by release",
            "percentunit",
            query(released(f"{requests(ERRORS)} / ({requests()} > 0)"), NAME),
            about="Share of predictions answered with 5xx; a gap is a time without requests.",
        ),
        lines(
            "p99 by release",
            "s",
            query(released(SLOWEST), NAME),
            about="Of a hundred predictions the slowest, from the whole request to its answer.",
        ),
        lines(
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
            about="Cores that master and workers of all pods use.",
        ),
        lines(
            "Memory by release",
            "bytes",
            query(
                released(
                    f"sum by (namespace, job) (process_resident_memory_bytes{{{CHOSEN}}} "
                    "and on (namespace, pod) ml_model_info)"
                ),
                NAME,
            ),
            about="Memory of master and workers of all pods.",
        ),
        lines(
            "Drift by release",
            "short",
            query(f'max by (namespace, release) (ml:feature_psi{{{CHOSEN},window="1h"}})', NAME),
            about="Highest population stability index of a release's features over the last hour.",
            marks=((None, GREEN), (0.1, YELLOW), (0.25, RED)),
        ),
    ]


def _cluster() -> list[Any]:
    unhealthy = 'health_status!="Healthy"'
    return [
        rows(
            "Argo CD: out of sync or not healthy",
            (
                "applications",
                "short",
                "sum by (name, dest_namespace, sync_status, health_status) "
                '(argocd_app_info{dest_namespace=~"$namespace",sync_status!="Synced"} '
                f'or argocd_app_info{{dest_namespace=~"$namespace",{unhealthy}}})',
            ),
            about="Applications that are not what git says. From Argo CD's own metrics.",
            names={"dest_namespace": "environment", "name": "application"},
            width=12,
            height=8,
        ),
        lines(
            "Replicas missing",
            "short",
            query(
                f"kube_deployment_spec_replicas{{{CHOSEN}}} "
                f"- kube_deployment_status_replicas_available{{{CHOSEN}}}",
                "{{namespace}} {{deployment}}",
            ),
            about="Wanted and not available. From kube-state-metrics.",
            width=6,
            marks=((None, GREEN), (1, ORANGE)),
        ),
        lines(
            "Autoscalers at their end",
            "percentunit",
            query(
                f"kube_horizontalpodautoscaler_status_current_replicas{{{CHOSEN}}} "
                f"/ kube_horizontalpodautoscaler_spec_max_replicas{{{CHOSEN}}}",
                "{{namespace}} {{horizontalpodautoscaler}}",
            ),
            about="Replicas as a share of the autoscaler's maximum. From kube-state-metrics.",
            width=6,
            most=1,
            marks=((None, BLUE), (1, RED)),
        ),
    ]
