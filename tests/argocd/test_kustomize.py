"""kustomize/: the generated base is fresh, overlays and components build and fit Kubernetes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.rendering import kustomize_base
from tests import rendering
from tests.chart.test_releases import conform
from tests.paths import ROOT

KUSTOMIZE = ROOT / "kustomize"
MODEL = KUSTOMIZE / "model"
OVERLAYS = sorted((MODEL / "overlays").iterdir())
FIRST = rendering.environments()[0]["name"]
COMPONENTS = sorted((KUSTOMIZE / "environments" / "components").iterdir())


def test_base_is_what_the_chart_renders_today() -> None:
    wanted = kustomize_base.files(ROOT, str(rendering.tool("helm4")))
    assert set((MODEL / "base").iterdir()) == set(wanted)
    stale = [path.name for path, text in wanted.items() if path.read_text() != text]
    assert stale == [], "run `make generate`"


def test_base_is_the_same_from_both_helms() -> None:
    by_helm_3, by_helm_4 = (
        kustomize_base.files(ROOT, str(rendering.tool(helm))) for helm in rendering.HELMS
    )
    assert by_helm_3 == by_helm_4


def test_base_bears_no_trace_of_helm() -> None:
    text = yaml.safe_dump_all(rendering.build_overlay(MODEL / "base"))
    assert "helm" not in text.lower()
    assert "namespace: models" not in text


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
class TestEveryOverlay:
    """What holds for each overlay of the model."""

    def test_fits_the_schemas_of_kubernetes(self, overlay: Path, kubernetes_schemas: Path) -> None:
        result = conform(rendering.build_overlay(overlay), kubernetes_schemas)
        assert result.code == 0, result.stdout + result.stderr

    def test_is_in_one_namespace_of_its_own(self, overlay: Path) -> None:
        built = rendering.build_overlay(overlay)
        assert {item["metadata"]["namespace"] for item in built} == {f"iris-{overlay.name}"}

    def test_pulls_by_digest_and_wants_a_bundle_by_digest(self, overlay: Path) -> None:
        (container,) = pod(rendering.build_overlay(overlay))["containers"]
        assert "@sha256:" in container["image"]
        (digest,) = (e["value"] for e in container["env"] if e["name"] == "MODEL_DIGEST")
        assert digest.startswith("sha256:")

    def test_selects_its_own_pods(self, overlay: Path) -> None:
        built = rendering.build_overlay(overlay)
        labels = rendering.only(built, "Deployment")["spec"]["template"]["metadata"]["labels"]
        for selector in selectors(built):
            assert selector.items() <= labels.items()

    def test_rolls_when_a_setting_changes(self, overlay: Path) -> None:
        built = rendering.build_overlay(overlay)
        name = rendering.only(built, "ConfigMap")["metadata"]["name"]
        (container,) = pod(built)["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": name}}]
        # The hash of the content.
        assert name.startswith("model-")


def test_production_changes_what_it_says_and_nothing_else() -> None:
    small, large = (rendering.build_overlay(MODEL / "overlays" / n) for n in ("dev", "production"))
    deployment = copy.deepcopy(rendering.only(large, "Deployment"))
    assert deployment["spec"]["replicas"] == 3
    (container,) = pod(large)["containers"]
    assert container["resources"]["limits"] == {"memory": "384Mi"}
    settings = rendering.only(large, "ConfigMap")["data"]
    assert (settings["LOG_SAMPLE_RATIO"], settings["MAX_BATCH_ROWS"]) == ("0.1", "100")
    assert {m["kind"] for m in large} - {m["kind"] for m in small} == {"PodDisruptionBudget"}


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)
def test_component_builds_with_every_environment(
    component: Path, tmp_path: Path, kubernetes_schemas: Path
) -> None:
    for environment in rendering.environments():
        without = rendering.build_overlay(rendering.OVERLAYS / environment["name"])
        built = with_component(tmp_path, environment["name"], component.name)
        result = conform(built, kubernetes_schemas)
        assert result.code == 0, result.stdout + result.stderr
        assert len(built) > len(without)
        places = {m["metadata"].get("namespace", m["metadata"]["name"]) for m in built}
        assert places == {environment["namespace"]}


def test_mesh_takes_every_pod_of_the_namespace_in(tmp_path: Path) -> None:
    built = with_component(tmp_path, FIRST, "mesh-mtls")
    labels = rendering.only(built, "Namespace")["metadata"]["labels"]
    assert labels["istio.io/dataplane-mode"] == "ambient"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert rendering.only(built, "PeerAuthentication")["spec"] == {"mtls": {"mode": "STRICT"}}


def test_egress_list_lets_nothing_out_until_an_overlay_names_an_address(tmp_path: Path) -> None:
    patch = [
        {
            "op": "add",
            "path": "/spec/egress/0/to/-",
            "value": {"ipBlock": {"cidr": "198.51.100.0/24"}},
        }
    ]
    target = {"kind": "NetworkPolicy", "name": "egress-allow-list"}
    for patches, expected in (
        ([], ["0.0.0.0/32"]),
        (
            [{"target": target, "patch": yaml.safe_dump(patch)}],
            ["0.0.0.0/32", "198.51.100.0/24"],
        ),
    ):
        built = with_component(tmp_path, FIRST, "egress-allow-list", patches)
        (policy,) = (m for m in built if m["metadata"]["name"] == "egress-allow-list")
        (rule,) = policy["spec"]["egress"]
        assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == expected


def with_component(
    folder: Path, environment: str, component: str, patches: list[Any] | None = None
) -> list[rendering.Manifest]:
    """What an environment builds with a component, in an overlay beside the tree."""
    overlay = folder / f"{environment}-{component}"
    overlay.mkdir(exist_ok=True)
    up = "../" * len(overlay.parts[1:])
    tree = f"{up}{KUSTOMIZE / 'environments'}".replace("//", "/")
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": rendering.namespace_of(environment),
        "resources": [f"{tree}/overlays/{environment}"],
        "components": [f"{tree}/components/{component}"],
        "patches": patches or [],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return rendering.build_overlay(overlay)


def pod(built: list[rendering.Manifest]) -> Any:
    """The pod that a Deployment makes."""
    return rendering.only(built, "Deployment")["spec"]["template"]["spec"]


def selectors(built: list[rendering.Manifest]) -> list[dict[str, str]]:
    """Every label selector that means the model's own pods."""
    found = [
        rendering.only(built, "Deployment")["spec"]["selector"]["matchLabels"],
        rendering.only(built, "Service")["spec"]["selector"],
        rendering.only(built, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    budgets = rendering.of_kind(built, "PodDisruptionBudget")
    return found + [budget["spec"]["selector"]["matchLabels"] for budget in budgets]
