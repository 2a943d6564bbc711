"""Further rows of the release's dashboard: workers, inputs and predictions, rollout."""

from __future__ import annotations

from typing import Any

from dashboards.panels import (
    EXPLANATIONS,
    PODS,
    PREDICTIONS,
    RECORDED,
    SERIES,
    heatmap_panel,
    query,
    table_panel,
    time_series_panel,
)

RATE = "$__rate_interval"


def workers() -> list[Any]:
    """Return the panels of workers and saturation."""
    return [
        time_series_panel(
            "Requests in flight",
            "short",
            query(f"sum(ml_requests_in_flight{{{SERIES}}})", "in flight"),
            query(f"sum(ml_requests_in_flight_limit{{{SERIES}}})", "limit"),
            description="Running and waiting requests over all pods; beyond the limit they are "
            "shed.",
        ),
        time_series_panel(
            "Shed (503) and timed out (504)",
            "reqps",
            query(f"sum(rate(ml_requests_shed_total{{{SERIES}}}[{RATE}]))", "shed (503)"),
            query(f"sum(rate(ml_deadline_exceeded_total{{{SERIES}}}[{RATE}]))", "timed out (504)"),
            description="Shed because of too many requests in flight; timed out past their "
            "deadline.",
            stacked=True,
        ),
        time_series_panel(
            "Worker restarts",
            "short",
            query(
                f"clamp_min(ml_worker_starts_total{{{SERIES}}} - ml_workers{{{SERIES}}}, 0)",
                "{{pod}}",
            ),
            description="Workers restarted since the pod started: crashes, hangs, out-of-memory "
            "kills.",
        ),
        time_series_panel(
            "CPU by pod",
            "short",
            query(f"rate(process_cpu_seconds_total{{{SERIES}}}[{RATE}])", "{{pod}}"),
            description="CPU cores used by master and workers.",
        ),
        time_series_panel(
            "Memory by pod",
            "bytes",
            query(f"process_resident_memory_bytes{{{SERIES}}}", "{{pod}}"),
            query(
                f'max(kube_pod_container_resource_limits{{{PODS},container="model",resource="memory"}})',
                "limit",
            ),
            description="Resident memory of master and workers; the limit is from "
            "kube-state-metrics.",
        ),
        time_series_panel(
            "Time to ready",
            "s",
            query(f"ml_model_load_seconds{{{SERIES}}}", "{{pod}}"),
            description="From the start of the process until it is ready to predict.",
        ),
    ]


def content() -> list[Any]:
    """Return the panels of inputs and predictions."""
    return [
        time_series_panel(
            "Rejected requests by reason",
            "reqps",
            query(
                f"sum by (reason) (rate(ml_input_rejections_total{{{SERIES}}}[{RATE}])) > 0",
                "{{reason}}",
            ),
            description="Prediction requests answered with 4xx; often rises with a client's "
            "release.",
            stacked=True,
        ),
        time_series_panel(
            "Predictions by class",
            "percentunit",
            query(
                f"sum by (prediction) (rate(ml_predictions_total{{{SERIES}}}[{RATE}])) "
                "/ on () group_left () "
                f"(sum(rate(ml_predictions_total{{{SERIES}}}[{RATE}])) > 0)",
                "{{prediction}}",
            ),
            description="Share of each class in the predicted rows; of each range for regression.",
            stacked=True,
            maximum=1,
        ),
        heatmap_panel(
            "Confidence",
            "percentunit",
            f"sum by (le) (increase(ml_confidence_bucket{{{SERIES}}}[{RATE}]))",
            description="Highest class probability of each row; only for classifiers.",
            width=8,
        ),
    ]


def explanations() -> list[Any]:
    """Return the panels of explanations, which count as no predictions elsewhere."""

    def quantile(share: float) -> str:
        rate = f"rate(ml_request_duration_seconds_bucket{{{EXPLANATIONS}}}[{RATE}])"
        return f"histogram_quantile({share}, sum by (le) ({rate}))"

    return [
        time_series_panel(
            "Explanations by status",
            "reqps",
            query(
                f"sum by (code) (rate(ml_requests_total{{{EXPLANATIONS}}}[{RATE}])) > 0", "{{code}}"
            ),
            description="Requests for an explanation; 503: shed, 504: out of time, 501: the bundle "
            "has no background rows to explain with.",
            width=12,
            stacked=True,
        ),
        time_series_panel(
            "Latency of explanations",
            "s",
            query(quantile(0.5), "p50"),
            query(quantile(0.99), "p99"),
            description="From the complete request to its response; a row costs many predictions.",
            width=12,
        ),
    ]


def canary() -> list[Any]:
    """Return the panels of a canary and its verdict: nothing while one version serves."""
    pods = "$release-([a-z0-9]+)-[a-z0-9]{5}"

    def by_revision(selector: str) -> str:
        rate = f"rate(ml_requests_total{{{selector}}}[{RATE}])"
        return f'sum by (arm) (label_replace({rate}, "arm", "$1", "pod", "{pods}"))'

    def judged(name: str, checks: str, more: str = "") -> str:
        return f'{name}{{{RECORDED},check=~"{checks}"{more}}}'

    def bounds(checks: str) -> list[Any]:
        legend = "{{check}} {{arm}}"
        return [
            query(judged("ml:verdict_bound", checks, ',bound="lower"'), f"{legend} lower"),
            query(judged("ml:verdict_bound", checks, ',bound="upper"'), f"{legend} upper"),
            query(judged("ml:verdict_tolerated", checks), "{{check}} tolerated"),
        ]

    indexes = "predictions|confidence"
    return [
        time_series_panel(
            "Requests by revision",
            "reqps",
            query(by_revision(PREDICTIONS), "{{arm}}"),
            description="Predictions per second by pod-template hash: canary and stable version.",
            stacked=True,
        ),
        time_series_panel(
            "Share of requests by revision",
            "percentunit",
            query(
                f"{by_revision(PREDICTIONS)} / on () group_left () "
                f"(sum(rate(ml_requests_total{{{PREDICTIONS}}}[{RATE}])) > 0)",
                "{{arm}}",
            ),
            description="The weight as it arrives; what the Rollout asks for is in `modelctl "
            "status`.",
            maximum=1,
        ),
        time_series_panel(
            "Phase of the Rollout",
            "short",
            query(
                'rollout_info{namespace="$namespace",name="$release"}',
                "{{phase}}",
            ),
            description="From Argo Rollouts' metrics: Progressing, Paused, Completed, Abort, "
            "Timeout, Error or InvalidSpec.",
            stacked=True,
        ),
        time_series_panel(
            "Bounds of the difference: requests",
            "percentunit",
            *bounds("availability|latency|shed|rejections"),
            description="A revision minus all others, with what is tolerated: both bounds above it "
            "is worse, both below is fine, else undecided. Needs rollout.analysis.",
            width=12,
            minimum=None,
        ),
        time_series_panel(
            "Bounds of the difference: stability index",
            "short",
            *bounds(indexes),
            description="Bounds of the population stability index of predictions and confidence "
            "between the revisions, with what is tolerated.",
            width=12,
        ),
        time_series_panel(
            "Bounds of the difference: metrics of your own",
            "short",
            query(
                f'ml:verdict_bound{{{RECORDED},check!~"availability|latency|shed|rejections'
                f'|{indexes}"}}',
                "{{check}} {{arm}} {{bound}}",
            ),
            query(
                f'ml:verdict_tolerated{{{RECORDED},check!~"availability|latency|shed|rejections'
                f'|{indexes}"}}',
                "{{check}} tolerated",
            ),
            description="As above, of rollout.analysis.metrics.",
            width=12,
            minimum=None,
        ),
        time_series_panel(
            "Evidence",
            "short",
            query(
                f'ml:verdict_evidence:sum{{{RECORDED},check="availability",part="requests"}}',
                "{{arm}}",
            ),
            description="Requests of each revision since both serve. There are no bounds below "
            "rollout.analysis.minimumRequests.",
            width=12,
        ),
    ]


def rollout() -> list[Any]:
    """Return the panels of versions and replicas."""
    named = '{namespace="$namespace",deployment="$release"}'
    scaled = '{namespace="$namespace",horizontalpodautoscaler="$release"}'
    return [
        time_series_panel(
            "Pods by version",
            "short",
            query(f"count by (version) (ml_model_info{{{SERIES}}})", "{{version}}"),
            description="Pods that serve each version; during a rollout the lines cross.",
            stacked=True,
        ),
        time_series_panel(
            "Replicas",
            "short",
            query(f"kube_deployment_spec_replicas{named}", "desired"),
            query(f"kube_deployment_status_replicas_available{named}", "available"),
            query(f"kube_horizontalpodautoscaler_spec_max_replicas{scaled}", "maximum"),
            description="From kube-state-metrics.",
        ),
        time_series_panel(
            "Container restarts",
            "short",
            query(
                "sum by (pod) "
                f"(increase(kube_pod_container_status_restarts_total{{{PODS}}}[{RATE}]))",
                "{{pod}}",
            ),
            description="From kube-state-metrics. A pod that refuses its bundle exits with code 3.",
        ),
        table_panel(
            "Bundles",
            (
                "pods",
                "short",
                f"count by (name, version, engine, digest) (ml_model_info{{{SERIES}}})",
            ),
            description="The served bundles; the digest is that in version.yaml.",
            names={"name": "model"},
            height=5,
        ),
    ]
