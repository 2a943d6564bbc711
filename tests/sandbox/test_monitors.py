"""What the sandbox scrapes for a monitor: the pods that it selects, with the operator's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.monitors import min_duration, scrape_configs

SELECTOR = {
    "matchLabels": {"app.kubernetes.io/instance": "iris", "app.kubernetes.io/name": "ml-model"},
    "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "DoesNotExist"}],
}
METADATA = {"name": "iris", "namespace": "ml-dev"}
ENDPOINT = {"port": "http", "path": "/metrics", "interval": "5s"}
SERVICE_MONITOR = {
    "kind": "ServiceMonitor",
    "metadata": METADATA,
    "spec": {"selector": SELECTOR, "endpoints": [ENDPOINT]},
}
POD_MONITOR = {
    "kind": "PodMonitor",
    "metadata": METADATA,
    "spec": {
        "selector": {"matchLabels": SELECTOR["matchLabels"]},
        "podMetricsEndpoints": [ENDPOINT],
    },
}


def labels(config: dict[str, Any]) -> dict[str, str]:
    """Where each label of a target comes from: a source, or a fixed text."""
    return {
        rule["target_label"]: rule.get("replacement") or rule["source_labels"][0]
        for rule in config["relabel_configs"]
        if "target_label" in rule
    }


def test_a_service_monitor_gives_what_the_operator_gives() -> None:
    (config,) = scrape_configs(SERVICE_MONITOR, Path("/kubeconfig"))
    assert config["job_name"] == "serviceMonitor/ml-dev/iris/0"
    assert config["kubernetes_sd_configs"] == [
        {
            "role": "endpointslice",
            "kubeconfig_file": "/kubeconfig",
            "namespaces": {"names": ["ml-dev"]},
        }
    ]
    assert (config["scrape_interval"], config["scrape_timeout"]) == ("5s", "5s")
    assert labels(config) == {
        "namespace": "__meta_kubernetes_namespace",
        "service": "__meta_kubernetes_service_name",
        "pod": "__meta_kubernetes_pod_name",
        "container": "__meta_kubernetes_pod_container_name",
        "job": "__meta_kubernetes_service_name",
        "endpoint": "http",
    }


def test_a_pod_monitor_names_its_job_after_itself() -> None:
    (config,) = scrape_configs(POD_MONITOR, Path("/kubeconfig"))
    assert config["kubernetes_sd_configs"][0]["role"] == "pod"
    assert labels(config)["job"] == "ml-dev/iris"
    assert "service" not in labels(config)


def test_only_what_the_monitor_selects_is_kept() -> None:
    (config,) = scrape_configs(SERVICE_MONITOR, Path("/kubeconfig"))
    keep = "__meta_kubernetes_service_label_app_kubernetes_io_instance"
    drop = "__meta_kubernetes_service_labelpresent_app_kubernetes_io_component"
    rules = config["relabel_configs"]
    assert {"action": "keep", "source_labels": [keep], "regex": "iris"} in rules
    assert {"action": "drop", "source_labels": [drop], "regex": "true"} in rules


def test_a_selector_that_is_not_understood_is_refused() -> None:
    unknown = {"key": "tier", "operator": "In", "values": ["a"]}
    spec = {"selector": {"matchExpressions": [unknown]}, "endpoints": [ENDPOINT]}
    with pytest.raises(ValueError, match="unsupported selector operator In"):
        scrape_configs({**SERVICE_MONITOR, "spec": spec}, Path("/kubeconfig"))


def test_a_timeout_is_never_longer_than_its_interval() -> None:
    assert min_duration("1m", "10s") == "10s"
    assert min_duration("500ms", "10s") == "500ms"
