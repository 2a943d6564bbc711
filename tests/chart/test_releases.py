"""Every release of the repository renders the same under both Helms and fits Kubernetes."""

from __future__ import annotations

from pathlib import Path

from tests import rendering
from tests.schemas import Schemas

KINDS = ["NetworkPolicy", "ServiceAccount", "ConfigMap", "Service", "Deployment"]


def render(helm: str, release: tuple[str, str], version: Path) -> list[rendering.Manifest]:
    environment, model = release
    return rendering.template(
        helm,
        rendering.CHART,
        model,
        rendering.namespace_of(environment),
        *rendering.release_values(environment, model, version),
    )


def test_release_renders_equal_objects_in_equal_order_under_both_helms(
    release: tuple[str, str], version_file: Path
) -> None:
    by_helm_3, by_helm_4 = (render(helm, release, version_file) for helm in rendering.HELMS)
    kinds = [manifest["kind"] for manifest in by_helm_3]
    assert [kind for kind in kinds if kind in KINDS][: len(KINDS)] == KINDS
    assert by_helm_3 == by_helm_4


def test_release_fits_the_schemas_of_kubernetes(
    release: tuple[str, str], version_file: Path, schemas: Schemas
) -> None:
    manifests = render("helm4", release, version_file)
    assert schemas.faults(manifests) == []


def test_kubeconform_refuses_a_field_that_kubernetes_does_not_know(
    version_file: Path, schemas: Schemas
) -> None:
    deployment = rendering.only(
        render("helm4", rendering.releases()[0], version_file), "Deployment"
    )
    deployment["spec"]["template"]["spec"]["containers"][0]["portz"] = []
    (fault,) = schemas.faults([deployment])
    assert "portz" in fault


def test_release_has_its_environments_name_everywhere(
    release: tuple[str, str], version_file: Path
) -> None:
    environment, model = release
    manifests = render("helm4", release, version_file)
    namespaces = {manifest["metadata"]["namespace"] for manifest in manifests}
    assert namespaces == {rendering.namespace_of(environment)}
    assert rendering.only(manifests, "Service")["metadata"]["name"] == model


def test_release_is_refused_without_a_version_file(release: tuple[str, str]) -> None:
    environment, model = release
    folder = rendering.ENVIRONMENTS / environment
    files = (folder / "common.yaml", folder / model / "settings.yaml")
    result = rendering.try_template(
        "helm4", rendering.CHART, model, "any", *rendering.values(*files)
    )
    assert result.code == 1
    assert "ERROR: the image has no repository; set image.repository" in result.stderr


def test_release_is_refused_when_a_digest_is_missing(release: tuple[str, str]) -> None:
    environment, model = release
    result = rendering.try_template(
        "helm4",
        rendering.CHART,
        model,
        "any",
        *rendering.values(rendering.ENVIRONMENTS / environment / "common.yaml"),
        "--set",
        "image.repository=a,image.tag=b",
    )
    assert result.code == 1
    message = "ERROR: the image has no digest: expected one, because requireDigest is true"
    assert message in result.stderr


def test_release_of_several_pods_survives_the_loss_of_one(
    release: tuple[str, str], version_file: Path
) -> None:
    """Whatever a capacity file says: one owner of the replicas, a budget from two pods on."""
    manifests = render("helm4", release, version_file)
    deployment = rendering.only(manifests, "Deployment")["spec"]
    autoscalers = rendering.of_kind(manifests, "HorizontalPodAutoscaler")
    assert ("replicas" in deployment) is not bool(autoscalers)
    most = autoscalers[0]["spec"]["maxReplicas"] if autoscalers else deployment["replicas"]
    assert bool(rendering.of_kind(manifests, "PodDisruptionBudget")) is (most > 1)
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
