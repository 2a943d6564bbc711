"""The overlays of kustomize/environments: valid, restricted, and with room for every release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import rendering
from tests.chart.test_releases import render
from tests.schemas import Schemas

UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1.0}
ENVIRONMENTS = [environment["name"] for environment in rendering.environments()]


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    """Each environment of the repository."""
    name: str = request.param
    return name


@pytest.fixture
def baseline(environment: str) -> list[rendering.Manifest]:
    """What the environment's overlay builds."""
    return rendering.build_overlay(rendering.OVERLAYS / environment)


def amount(quantity: str | int) -> float:
    """A Kubernetes quantity as a number of cores or bytes."""
    text = str(quantity)
    number = text.rstrip("mKMGi")
    return float(number) * (UNITS[text[len(number) :]])


def test_every_environment_has_an_overlay_and_no_overlay_is_left_over() -> None:
    assert {folder.name for folder in rendering.OVERLAYS.iterdir()} == set(ENVIRONMENTS)


def test_baseline_fits_the_schemas_of_kubernetes(
    baseline: list[rendering.Manifest], schemas: Schemas
) -> None:
    assert schemas.faults(baseline) == []


def test_namespace_enforces_pod_security_restricted_at_a_pinned_version(
    environment: str, baseline: list[rendering.Manifest]
) -> None:
    metadata = rendering.only(baseline, "Namespace")["metadata"]
    assert metadata["name"] == rendering.namespace_of(environment)
    for mode in ("enforce", "audit", "warn"):
        assert metadata["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert metadata["labels"][f"pod-security.kubernetes.io/{mode}-version"] == "v1.36"
    assert metadata["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"


def test_everything_else_is_in_that_namespace(
    environment: str, baseline: list[rendering.Manifest]
) -> None:
    namespaces = {
        manifest["metadata"]["namespace"]
        for manifest in baseline
        if manifest["kind"] != "Namespace"
    }
    assert namespaces == {rendering.namespace_of(environment)}


def test_nothing_puts_a_cpu_limit_on_a_pod(baseline: list[rendering.Manifest]) -> None:
    assert "limits.cpu" not in rendering.only(baseline, "ResourceQuota")["spec"]["hard"]
    (limits,) = rendering.only(baseline, "LimitRange")["spec"]["limits"]
    assert "cpu" not in limits["default"]
    assert "max" not in limits


def test_namespace_denies_all_traffic_but_dns(baseline: list[rendering.Manifest]) -> None:
    deny, dns = sorted(
        rendering.of_kind(baseline, "NetworkPolicy"),
        key=lambda policy: "egress" in policy["spec"],
    )
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = dns["spec"]["egress"]
    assert {port["port"] for port in rule["ports"]} == {53, 5353}


def test_quota_leaves_room_for_a_surge_of_every_release_at_its_most_replicas(
    environment: str, baseline: list[rendering.Manifest], version_file: Path
) -> None:
    needed = {"pods": 0.0, "requests.cpu": 0.0, "requests.memory": 0.0, "limits.memory": 0.0}
    models = [model for name, model in rendering.releases() if name == environment]
    for model in models:
        for key, value in at_most(render("helm4", (environment, model), version_file)).items():
            needed[key] += value
    hard = rendering.only(baseline, "ResourceQuota")["spec"]["hard"]
    assert set(hard) == set(needed)
    short = {key: (value, hard[key]) for key, value in needed.items() if value > amount(hard[key])}
    assert short == {}


def at_most(manifests: list[rendering.Manifest]) -> dict[str, float]:
    """What one release uses while a rollout surges at the autoscaler's maximum, tests included."""
    deployment = rendering.only(manifests, "Deployment")["spec"]
    autoscalers = rendering.of_kind(manifests, "HorizontalPodAutoscaler")
    replicas = autoscalers[0]["spec"]["maxReplicas"] if autoscalers else deployment["replicas"]
    pods = replicas + deployment["strategy"]["rollingUpdate"]["maxSurge"]
    used = {"pods": float(pods)}
    templates = [(deployment["template"]["spec"], pods)]
    templates += [(pod["spec"], 1) for pod in rendering.of_kind(manifests, "Pod")]
    used["pods"] += len(templates) - 1
    for spec, count in templates:
        for container in spec["containers"]:
            resources = container["resources"]
            for kind, resource in (
                ("requests", "cpu"),
                ("requests", "memory"),
                ("limits", "memory"),
            ):
                key = f"{kind}.{resource}"
                used[key] = used.get(key, 0.0) + count * amount(resources[kind][resource])
    return used
