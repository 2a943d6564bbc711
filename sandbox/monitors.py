"""ServiceMonitor and PodMonitor -> what Prometheus scrapes, as the Prometheus operator does it.

The sandbox runs no operator. Its relabelling decides which labels a series has, and the chart's
rules depend on those; so it is written down here, for the fields that the chart uses. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]


def scrape_configs(monitor: Object, kubeconfig: Path) -> list[Object]:
    """Return one scrape configuration for each endpoint of a monitor."""
    kind, name = monitor["kind"], monitor["metadata"]["name"]
    services = kind == "ServiceMonitor"
    endpoints = monitor["spec"]["endpoints" if services else "podMetricsEndpoints"]
    namespace = monitor["metadata"]["namespace"]
    relabel = _of_service if services else _of_pod
    return [
        {
            "job_name": f"{kind[0].lower()}{kind[1:]}/{namespace}/{name}/{number}",
            "scrape_interval": endpoint.get("interval", "30s"),
            "scrape_timeout": min_duration(endpoint.get("interval", "30s"), "10s"),
            "metrics_path": endpoint.get("path", "/metrics"),
            "kubernetes_sd_configs": [
                {
                    "role": "endpointslice" if services else "pod",
                    "kubeconfig_file": str(kubeconfig),
                    "namespaces": {"names": [namespace]},
                }
            ],
            "relabel_configs": [
                *_selected(monitor["spec"]["selector"], "service" if services else "pod"),
                *relabel(endpoint["port"], f"{namespace}/{name}"),
            ],
        }
        for number, endpoint in enumerate(endpoints)
    ]


def min_duration(first: str, second: str) -> str:
    """Return the shorter of two durations of one unit: a timeout may not exceed its interval."""
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

    def seconds(text: str) -> float:
        number = text.rstrip("msh")
        return float(number) * scale[text.removeprefix(number)]

    return min(first, second, key=seconds)


def _selected(selector: Object, what: str) -> list[Object]:
    """Keep what the monitor's label selector selects."""
    rules = []
    for label, value in sorted(selector.get("matchLabels", {}).items()):
        meta = f"__meta_kubernetes_{what}_label_{_safe(label)}"
        rules.append(_keep(value, meta))
    for expression in selector.get("matchExpressions", []):
        present = f"__meta_kubernetes_{what}_labelpresent_{_safe(expression['key'])}"
        if expression["operator"] != "DoesNotExist":
            raise ValueError(f"no rule for the operator {expression['operator']}")
        rules.append({"action": "drop", "source_labels": [present], "regex": "true"})
    return rules


def _of_service(port: str, _: str) -> list[Object]:
    """Labels of a target that was found behind a Service; its job is the Service's name."""
    kind = "__meta_kubernetes_endpointslice_address_target_kind"
    return [
        _keep(port, "__meta_kubernetes_endpointslice_port_name"),
        _keep("Pod", kind),
        *_living(),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_service_name", "service"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
        _copy("__meta_kubernetes_service_name", "job"),
        {"target_label": "endpoint", "replacement": port},
    ]


def _of_pod(port: str, job: str) -> list[Object]:
    """Labels of a target that was found as a pod; its job is the monitor's namespace and name."""
    return [
        *_living(),
        _keep(port, "__meta_kubernetes_pod_container_port_name"),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        {"target_label": "job", "replacement": job},
        {"target_label": "endpoint", "replacement": port},
    ]


def _living() -> list[Object]:
    phase = "__meta_kubernetes_pod_phase"
    return [{"action": "drop", "source_labels": [phase], "regex": "(Failed|Succeeded)"}]


def _keep(value: str, label: str) -> Object:
    return {"action": "keep", "source_labels": [label], "regex": value}


def _copy(source: str, target: str) -> Object:
    return {"source_labels": [source], "target_label": target}


def _safe(label: str) -> str:
    """Return a label's name as Prometheus writes it."""
    return "".join(letter if letter.isalnum() else "_" for letter in label)
