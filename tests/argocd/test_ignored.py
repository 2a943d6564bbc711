"""What Argo CD leaves to the Argo Rollouts controller: its own binary says what it ignores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import rendering
from tests.chart import goldens

REPOSITORY = "https://git.example/models"


def ignored_differences() -> list[dict[str, Any]]:
    """Those of the Applications of models."""
    manifests = rendering.template(
        *("helm4", rendering.ARGOCD_CHART, "environments", "argocd"),
        *rendering.values(rendering.ENVIRONMENTS / "environments.yaml"),
        *("--set", f"repoURL={REPOSITORY},chartRegistry=registry.example/charts"),
    )
    (found,) = (
        manifest
        for manifest in rendering.of_kind(manifests, "ApplicationSet")
        if manifest["metadata"]["name"] == "models"
    )
    rules: list[dict[str, Any]] = found["spec"]["template"]["spec"]["ignoreDifferences"]
    return rules


def ignored(manifest: rendering.Manifest, folder: Path) -> Any:
    """What Argo CD leaves out when it compares an object: the lines that its `diff` marks."""
    data = {}
    for rule in ignored_differences():
        key = "_".join(filter(None, (rule.get("group"), rule["kind"])))
        paths = {name: rule[name] for name in ("jsonPointers", "jqPathExpressions") if name in rule}
        data[f"resource.customizations.ignoreDifferences.{key}"] = yaml.safe_dump(paths)
    labels = {"app.kubernetes.io/part-of": "argocd"}
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": labels}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    for name, content in (("settings", settings), ("object", manifest)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    result = rendering.run(
        *(rendering.tool("argocd"), "admin", "settings", "resource-overrides"),
        *("ignore-differences", folder / "object.yaml", "--load-cluster-settings=false"),
        *("--argocd-cm-path", folder / "settings.yaml"),
    )
    if "No fields are ignored" in result.stdout:
        return None
    assert "Following fields are ignored" in result.stdout, result.stdout + result.stderr
    gone = [line[2:] for line in result.stdout.splitlines() if line.startswith("< ")]
    return yaml.safe_load("\n".join(gone))


def golden(name: str, kind: str) -> rendering.Manifest:
    text = (goldens.GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    return rendering.of_kind(rendering.parse(text), kind)[0]


# The example, and the one key below `spec` that is ignored; in it are the weights.
MARKED = {
    "TraefikService": ("canary-traefik", "weighted"),
    "VirtualService": ("canary-istio", "http"),
    "HTTPRoute": ("canary-gateway-plugin", "rules"),
    "GRPCRoute": ("canary-gateway-plugin", "rules"),
}


@pytest.mark.parametrize("kind", MARKED)
def test_the_whole_list_with_weights_is_left_to_the_controller(kind: str, tmp_path: Path) -> None:
    name, key = MARKED[kind]
    manifest = golden(name, kind)
    assert ignored(manifest, tmp_path) == {key: manifest["spec"][key]}


@pytest.mark.parametrize("kind", MARKED)
def test_a_route_of_users_is_compared_as_a_whole(kind: str, tmp_path: Path) -> None:
    manifest = golden(MARKED[kind][0], kind)
    del manifest["metadata"]["annotations"]["ml-model/weights"]
    assert ignored(manifest, tmp_path) is None


def test_of_a_services_selector_only_the_revision_is_left_to_the_controller(tmp_path: Path) -> None:
    manifest = golden("canary", "Service")
    assert ignored(manifest, tmp_path) is None
    manifest["spec"]["selector"]["rollouts-pod-template-hash"] = "abc"
    assert ignored(manifest, tmp_path) == {"rollouts-pod-template-hash": "abc"}


def test_a_workload_goes_only_when_what_replaces_it_is_healthy() -> None:
    """Argo CD reads the option from the live object that it prunes."""
    for name, kind in (("minimal", "Deployment"), ("canary", "Rollout")):
        annotations = golden(name, kind)["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/sync-options"] == "PruneLast=true"
