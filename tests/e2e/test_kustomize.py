"""kustomize/ on the real API server, and a model served without Helm and without Argo CD."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sandbox import netns
from sandbox.environments import read_releases
from sandbox.proc import run
from tests import rendering
from tests.argocd.test_kustomize import COMPONENTS, MODEL, OVERLAYS, with_component

from .ad_hoc import applied, restricted_namespace
from .loop import Loop, eventually, measured

# Kinds that the sandbox has no definitions of.
FOREIGN = {"PeerAuthentication", "PrometheusRule"}


def accepted(loop: Loop, manifests: list[rendering.Manifest]) -> None:
    """Let the API server judge objects of namespaces that exist; it keeps nothing."""
    answer = loop.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--force-conflicts"),
        *("--field-manager=e2e", "--filename=-", "--output=name"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}),
        check=False,
    )
    assert "Warning" not in answer, answer
    assert len(answer.split()) == len(manifests), answer


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)
def test_the_api_server_accepts_every_environment_with_each_component(
    loop: Loop, component: Path, tmp_path: Path
) -> None:
    for environment in rendering.environments():
        built = with_component(tmp_path, environment["name"], component.name)
        accepted(loop, [item for item in built if item["kind"] not in FOREIGN])


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_serves_the_model_with_kubectl_alone(
    loop: Loop, overlay: Path, tmp_path: Path, sample: Path
) -> None:
    # As it was found: tests that run beside these change what git says.
    release = next(found for found in read_releases(loop.found) if found.name == "dev-iris")
    tree = tmp_path / "model"
    shutil.copytree(MODEL, tree)
    mine = tree / "overlays" / overlay.name
    namespace = f"e2e-{overlay.name}"
    image, _, digest = release.image.partition("@")
    repository = image.rpartition(":")[0]
    kustomization = yaml.safe_load((mine / "kustomization.yaml").read_text())
    kustomization["namespace"] = namespace
    kustomization["images"] = [{"name": "ml-model", "newName": repository, "digest": digest}]
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    bundle = mine / "bundle.yaml"
    bundle.write_text(bundle.read_text().replace("sha256:" + "0" * 64, release.digest))
    with (
        applied(loop, [restricted_namespace(namespace)]),
        applied(loop, rendering.build_overlay(mine)),
    ):
        seconds = eventually("all pods are ready", lambda: ready(loop, namespace), 120)
        measured(f"kustomize overlay {overlay.name} serves", seconds, 30)
        address = loop.get("service", "model", f"--namespace={namespace}")["spec"]["clusterIP"]
        # kube-proxy follows a pod that has become ready; until then the address refuses.
        curl = ("curl", "-sS", "--retry", "10", "--retry-connrefused", "--data", f"@{sample}")
        words = (*curl, "-HContent-Type: application/json", f"http://{address}/predict")
        answer = run(netns.enter_argv(list(words))).stdout
        assert "prediction" in json.loads(answer), answer


def ready(loop: Loop, namespace: str) -> tuple[bool, str]:
    found = loop.get("deployment", "model", f"--namespace={namespace}")
    status = found["status"]
    return status.get("readyReplicas") == found["spec"]["replicas"], str(status)
