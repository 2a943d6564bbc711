"""Convert ServiceMonitors and PodMonitors to scrape configurations, as Prometheus' operator does.

The sandbox runs no operator, and the chart's rules depend on the labels that its relabelling sets.
Implements the fields that the chart uses. Pure.
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
    relabel = _service_rules if services else _pod_rules
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
                *_selector_rules(monitor["spec"]["selector"], "service" if services else "pod"),
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


def _selector_rules(selector: Object, what: str) -> list[Object]:
    """Return the rules that keep what the monitor's label selector matches."""
    rules = []
    for label, value in sorted(selector.get("matchLabels", {}).items()):
        meta = f"__meta_kubernetes_{what}_label_{_label_name(label)}"
        rules.append(_keep(value, meta))
    for expression in selector.get("matchExpressions", []):
        present = f"__meta_kubernetes_{what}_labelpresent_{_label_name(expression['key'])}"
        if expression["operator"] != "DoesNotExist":
            raise ValueError(f"unsupported selector operator {expression['operator']}")
        rules.append({"action": "drop", "source_labels": [present], "regex": "true"})
    return rules


def _service_rules(port: str, _: str) -> list[Object]:
    """Return the rules for targets of a ServiceMonitor; their job is the Service's name."""
    kind = "__meta_kubernetes_endpointslice_address_target_kind"
    return [
        _keep(port, "__meta_kubernetes_endpointslice_port_name"),
        _keep("Pod", kind),
        *_drop_finished_pods(),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_service_name", "service"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
        _copy("__meta_kubernetes_service_name", "job"),
        {"target_label": "endpoint", "replacement": port},
    ]


def _pod_rules(port: str, job: str) -> list[Object]:
    """Return the rules for targets of a PodMonitor; their job is its namespace and name."""
    return [
        *_drop_finished_pods(),
        _keep(port, "__meta_kubernetes_pod_container_port_name"),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        {"target_label": "job", "replacement": job},
        {"target_label": "endpoint", "replacement": port},
    ]


def _drop_finished_pods() -> list[Object]:
    phase = "__meta_kubernetes_pod_phase"
    return [{"action": "drop", "source_labels": [phase], "regex": "(Failed|Succeeded)"}]


def _keep(value: str, label: str) -> Object:
    return {"action": "keep", "source_labels": [label], "regex": value}


def _copy(source: str, target: str) -> Object:
    return {"source_labels": [source], "target_label": target}


def _label_name(label: str) -> str:
    """Return a label's name as Prometheus writes it."""
    return "".join(letter if letter.isalnum() else "_" for letter in label)
