"""kustomize/: the generated base is fresh, overlays and components build and fit Kubernetes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.rendering import kustomize_base
from tests import rendering
from tests.paths import ROOT
from tests.schemas import Schemas

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

    def test_fits_the_schemas_of_kubernetes(self, overlay: Path, schemas: Schemas) -> None:
        assert schemas.faults(rendering.build_overlay(overlay)) == []

    def test_is_in_one_namespace_of_its_own(self, overlay: Path) -> None:
        built = rendering.build_overlay(overlay)
        assert {item["metadata"]["namespace"] for item in built} == {said(overlay)["namespace"]}

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

    def test_changes_what_it_says_and_nothing_else(self, overlay: Path) -> None:
        base, built = rendering.build_overlay(MODEL / "base"), rendering.build_overlay(overlay)
        content = said(overlay)
        own = [item for name in files(overlay, content["resources"]) for item in read(name)]
        assert kinds(built) == kinds([*base, *own])
        settings = dict(rendering.only(base, "ConfigMap")["data"])
        for generator in content.get("configMapGenerator", []):
            settings |= dict(literal.split("=", 1) for literal in generator["literals"])
        assert rendering.only(built, "ConfigMap")["data"] == settings
        assert deployment(built) == self.expected(overlay, rendering.only(base, "Deployment"))

    def expected(self, overlay: Path, base: rendering.Manifest) -> Any:
        """The base's Deployment with the overlay's words put in, as `deployment` shows it."""
        content, wanted = said(overlay), base
        for name in files(overlay, [patch["path"] for patch in content["patches"]]):
            for patch in read(name):
                wanted = merged(wanted, patch)
        (image,) = content["images"]
        (container,) = wanted["spec"]["template"]["spec"]["containers"]
        container["image"] = f"{image['newName']}@{image['digest']}"
        for replicas in content.get("replicas", []):
            wanted["spec"]["replicas"] = replicas["count"]
        return deployment([wanted])


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)
def test_component_builds_with_every_environment(
    component: Path, tmp_path: Path, schemas: Schemas
) -> None:
    for environment in rendering.environments():
        without = rendering.build_overlay(rendering.OVERLAYS / environment["name"])
        built = with_component(tmp_path, environment["name"], component.name)
        assert schemas.faults(built) == []
        assert len(built) > len(without)
        places = {m["metadata"].get("namespace", m["metadata"]["name"]) for m in built}
        assert places == {environment["namespace"]}


@pytest.mark.parametrize("environment", rendering.environments(), ids=lambda entry: entry["name"])
def test_two_applications_share_everything_that_an_environment_builds(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One has the Namespace and nothing else: it must need nothing that it does not sync."""
    name = environment["name"]
    for component in ("", *(path.name for path in COMPONENTS)):
        whole = with_component(tmp_path, name, component)
        parts = {
            part: with_component(tmp_path, name, component, patches)
            for part, patches in argo_cd_patches().items()
        }
        assert kinds(parts["namespaces"]) == ["Namespace"]
        assert "Namespace" not in kinds(parts["baselines"])
        assert by_name([*parts["namespaces"], *parts["baselines"]]) == by_name(whole)


def argo_cd_patches() -> dict[str, list[Any]]:
    """The patches with which Argo CD builds an overlay, by ApplicationSet."""
    words = [
        *rendering.values(rendering.ENVIRONMENTS / "environments.yaml"),
        *("--set", "repoURL=https://git.example/fork.git,chartRegistry=registry.example/charts"),
    ]
    rendered = rendering.template("helm4", rendering.ARGOCD_CHART, "root", "argocd", *words)
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["source"]["kustomize"]["patches"]
        for item in rendering.of_kind(rendered, "ApplicationSet")
        if item["metadata"]["name"] != "models"
    }


def by_name(manifests: list[rendering.Manifest]) -> list[Any]:
    """The objects in an order of their own."""
    return sorted(manifests, key=lambda item: (item["kind"], item["metadata"]["name"]))


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
        "components": [f"{tree}/components/{component}"] if component else [],
        "patches": patches or [],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return rendering.build_overlay(overlay)


def said(overlay: Path) -> Any:
    """What an overlay's own file asks for."""
    return yaml.safe_load((overlay / "kustomization.yaml").read_text())


def files(overlay: Path, names: list[str]) -> list[Path]:
    """Those that are files of the overlay itself; the base is a folder."""
    return [overlay / name for name in names if (overlay / name).is_file()]


def read(path: Path) -> list[rendering.Manifest]:
    """The objects of a file."""
    return rendering.parse(path.read_text())


def kinds(manifests: list[rendering.Manifest]) -> list[str]:
    """The kind of each object."""
    return sorted(item["kind"] for item in manifests)


def deployment(manifests: list[rendering.Manifest]) -> Any:
    """The Deployment without what Kustomize writes into every object: labels, names by content."""
    spec = copy.deepcopy(rendering.only(manifests, "Deployment")["spec"])
    spec["template"]["metadata"].pop("labels")
    for container in spec["template"]["spec"]["containers"]:
        container.pop("envFrom")
        container["env"] = sorted(container["env"], key=lambda entry: str(entry["name"]))
    return spec


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge, as far as overlays use it: lists of named entries join by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        both = {key: merged(base[key], patch[key]) for key in base.keys() & patch.keys()}
        return {**base, **patch, **both}
    if isinstance(base, list) and isinstance(patch, list) and "name" in patch[0]:
        by_name = {entry["name"]: entry for entry in base}
        for entry in patch:
            by_name[entry["name"]] = merged(by_name.get(entry["name"], {}), entry)
        return list(by_name.values())
    return patch


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
