"""One release, further down the page: its workers, what goes through them, its versions."""

from __future__ import annotations

from typing import Any

from dashboards.parts import PODS, SERIES, buckets, lines, query, rows

RATE = "$__rate_interval"


def workers() -> list[Any]:
    """How busy the release is, and with how much."""
    return [
        lines(
            "In flight",
            "short",
            query(f"sum(ml_requests_in_flight{{{SERIES}}})", "in flight"),
            query(f"sum(ml_requests_in_flight_limit{{{SERIES}}})", "limit"),
            about="Requests that run or wait, over all pods; beyond the limit they are refused.",
        ),
        lines(
            "Shed and too late",
            "reqps",
            query(f"sum(rate(ml_requests_shed_total{{{SERIES}}}[{RATE}]))", "shed (503)"),
            query(f"sum(rate(ml_deadline_exceeded_total{{{SERIES}}}[{RATE}]))", "too late (504)"),
            about="Refused because too many were in flight; given up because the deadline passed.",
            stacked=True,
        ),
        lines(
            "Worker restarts",
            "short",
            query(
                f"clamp_min(ml_worker_starts_total{{{SERIES}}} - ml_workers{{{SERIES}}}, 0)",
                "{{pod}}",
            ),
            about="Workers started beyond the configured number, since the pod began: "
            "crashes, hangs, kills for memory.",
        ),
        lines(
            "CPU by pod",
            "short",
            query(f"rate(process_cpu_seconds_total{{{SERIES}}}[{RATE}])", "{{pod}}"),
            about="Cores that master and workers use.",
        ),
        lines(
            "Memory by pod",
            "bytes",
            query(f"process_resident_memory_bytes{{{SERIES}}}", "{{pod}}"),
            query(
                f'max(kube_pod_container_resource_limits{{{PODS},container="model",resource="memory"}})',
                "limit",
            ),
            about="Memory of master and workers; the limit is from kube-state-metrics.",
        ),
        lines(
            "Time to ready",
            "s",
            query(f"ml_model_load_seconds{{{SERIES}}}", "{{pod}}"),
            about="From the start of the process until it could predict.",
        ),
    ]


def content() -> list[Any]:
    """What it is asked, and what it says."""
    return [
        lines(
            "Rejected inputs by reason",
            "reqps",
            query(
                f"sum by (reason) (rate(ml_input_rejections_total{{{SERIES}}}[{RATE}])) > 0",
                "{{reason}}",
            ),
            about="Requests for predictions answered with 4xx; a rise is often a client's release.",
            stacked=True,
        ),
        lines(
            "Predictions by class",
            "percentunit",
            query(
                f"sum by (prediction) (rate(ml_predictions_total{{{SERIES}}}[{RATE}])) "
                "/ on () group_left () "
                f"(sum(rate(ml_predictions_total{{{SERIES}}}[{RATE}])) > 0)",
                "{{prediction}}",
            ),
            about="Share of each class in the predicted rows; for a number: of each range.",
            stacked=True,
            most=1,
        ),
        buckets(
            "Confidence",
            "percentunit",
            f"sum by (le) (increase(ml_confidence_bucket{{{SERIES}}}[{RATE}]))",
            about="Highest class probability of each row; classifiers only.",
            width=8,
        ),
    ]


def rollout() -> list[Any]:
    """What runs, and how it comes and goes."""
    named = '{namespace="$namespace",deployment="$release"}'
    scaled = '{namespace="$namespace",horizontalpodautoscaler="$release"}'
    return [
        lines(
            "Pods by version",
            "short",
            query(f"count by (version) (ml_model_info{{{SERIES}}})", "{{version}}"),
            about="How many pods serve which version: a rollout is where the lines cross.",
            stacked=True,
        ),
        lines(
            "Replicas",
            "short",
            query(f"kube_deployment_spec_replicas{named}", "wanted"),
            query(f"kube_deployment_status_replicas_available{named}", "available"),
            query(f"kube_horizontalpodautoscaler_spec_max_replicas{scaled}", "most"),
            about="From kube-state-metrics.",
        ),
        lines(
            "Container restarts",
            "short",
            query(
                "sum by (pod) "
                f"(increase(kube_pod_container_status_restarts_total{{{PODS}}}[{RATE}]))",
                "{{pod}}",
            ),
            about="From kube-state-metrics. A pod that refuses its bundle ends with exit code 3.",
        ),
        rows(
            "Bundles",
            (
                "pods",
                "short",
                f"count by (name, version, engine, digest) (ml_model_info{{{SERIES}}})",
            ),
            about="The bundles that are served now: the digest is the one in version.yaml.",
            names={"name": "model"},
            height=5,
        ),
    ]
