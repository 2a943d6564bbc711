"""The chart as a part of another one: two models in one release, told apart by their aliases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import rendering

PARENT = """\
apiVersion: v2
name: flowers
version: 0.1.0
dependencies:
  - {name: ml-model, alias: iris, version: 0.x.x, condition: iris.enabled}
  - {name: ml-model, alias: penguins, version: 0.x.x, condition: penguins.enabled}
"""
VALUES = """\
global:
  imageRegistry: mirror.example
  somebodyElses: {key: value}
iris:
  enabled: true
  image: {repository: models/iris, tag: "1"}
penguins:
  enabled: true
  image: {repository: models/penguins, tag: "1"}
  extraObjects:
    a: {apiVersion: v1, kind: ConfigMap}
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart that depends on ours twice."""
    shutil.copytree(rendering.CHART, tmp_path / "charts" / "ml-model")
    (tmp_path / "Chart.yaml").write_text(PARENT, encoding="utf-8")
    (tmp_path / "values.yaml").write_text(VALUES, encoding="utf-8")
    return tmp_path


def test_two_models_of_one_release_share_no_name_and_no_selector(helm: str, parent: Path) -> None:
    manifests = rendering.template(helm, parent, "garden", "ml-dev")
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))
    services = rendering.of_kind(manifests, "Service")
    assert [m["metadata"]["name"] for m in services] == ["garden-iris", "garden-penguins"]
    selectors = [m["spec"]["selector"]["app.kubernetes.io/name"] for m in services]
    assert selectors == ["iris", "penguins"]


def test_registry_of_the_parent_is_put_before_every_image(helm: str, parent: Path) -> None:
    manifests = rendering.template(helm, parent, "garden", "ml-dev", "--skip-tests")
    images = [
        manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        for manifest in rendering.of_kind(manifests, "Deployment")
    ]
    assert images == ["mirror.example/models/iris:1", "mirror.example/models/penguins:1"]


def test_model_can_be_left_out(helm: str, parent: Path) -> None:
    manifests = rendering.template(
        helm, parent, "garden", "ml-dev", "--set", "penguins.enabled=false"
    )
    assert {m["metadata"]["name"] for m in rendering.of_kind(manifests, "Service")} == {
        "garden-iris"
    }


def test_typo_in_the_parents_values_is_refused(helm: str, parent: Path) -> None:
    result = rendering.try_template(helm, parent, "garden", "ml-dev", "--set", "iris.replicas=2")
    assert result.code == 1
    assert "replicas" in result.stderr


def test_name_that_would_have_to_be_cut_is_refused(helm: str, parent: Path) -> None:
    """Two names that differ at their ends would become one."""
    result = rendering.try_template(helm, parent, "a" * 53, "ml-dev")
    assert result.code == 1
    assert "ERROR: invalid name of a Service: expected at most 53 " in result.stderr
    assert f"found {'a' * 53}-" in result.stderr


def test_longest_name_leaves_room_for_every_suffix(helm: str, minimal: list[str]) -> None:
    manifests = rendering.template(
        helm, rendering.CHART, "a" * 53, "ml-dev", *minimal, "--set", "service.headless=true"
    )
    assert max(len(manifest["metadata"]["name"]) for manifest in manifests) == 62
