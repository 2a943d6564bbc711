"""Argo CD finds the files of variants: its own code fills the template and calls Helm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import rendering
from tests.argocd.test_chart import ARGUMENTS, REGISTRY, REPOSITORY
from tests.chart.test_generated import VERSION

MAIN = {
    "image": {"repository": "registry.example/iris", "tag": "1", "digest": f"sha256:{'a' * 64}"},
    "model": {"version": "1", "digest": f"sha256:{'b' * 64}"},
}
KINDS = ["commit", "registry"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with iris in dev, and Helm under the name that Argo CD calls."""
    root = tmp_path / "checkout"
    shutil.copytree(rendering.CHART, root / "charts" / "ml-model")
    write(root, "../common.yaml", {})
    write(root, "settings.yaml", {"httpRoute": {"enabled": True, "parents": {"public": {}}}})
    write(root, "settings.yaml", {"networkPolicy": {"enabled": False}}, more=True)
    write(root, "capacity.yaml", {"replicaCount": 1})
    write(root, "version.yaml", MAIN)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").symlink_to(rendering.tool("helm4"))
    return root


def write(root: Path, name: str, values: dict[str, Any], *, more: bool = False) -> None:
    path = root / "environments" / "dev" / "iris" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if more else ""
    path.write_text(before + yaml.safe_dump(values), encoding="utf-8")


def render(root: Path, chart_from: str) -> tuple[list[rendering.Manifest], str]:
    """The objects of the Application, and why there are none."""
    manifests = rendering.template("helm4", rendering.ARGOCD_CHART, "root", "argocd", *ARGUMENTS)
    sets = {m["metadata"]["name"]: m for m in rendering.of_kind(manifests, "ApplicationSet")}
    question = {
        "patch": sets["models"]["spec"]["templatePatch"],
        "parameters": {
            "environment": "dev",
            "chartFrom": chart_from,
            "chartRegistry": REGISTRY,
            "repoURL": REPOSITORY,
            "revision": "main",
            "release": {"path": {"basename": "iris"}},
            "chart": {"version": "0.0.0"},
        },
        "root": str(root),
        "chart": str(root / "charts" / "ml-model"),
        "namespace": "ml-dev",
    }
    done = subprocess.run(
        [rendering.tool("argocd-render")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{root.parent / 'bin'}:{os.environ['PATH']}"},
    )
    answer = json.loads(done.stdout)
    return [json.loads(text) for text in answer["manifests"] or []], answer["error"]


def deployments(manifests: list[rendering.Manifest]) -> set[str]:
    return {m["metadata"]["name"] for m in rendering.of_kind(manifests, "Deployment")}


@pytest.mark.parametrize("chart_from", KINDS)
def test_a_release_without_variants_is_rendered(checkout: Path, chart_from: str) -> None:
    manifests, error = render(checkout, chart_from)
    assert error == ""
    assert deployments(manifests) == {"iris"}


@pytest.mark.parametrize("chart_from", KINDS)
def test_each_file_is_a_variant_of_the_same_application(checkout: Path, chart_from: str) -> None:
    for name, share in (("forest", 10), ("boost", 20)):
        content = {"variants": {name: {**VERSION, "share": share}}}
        write(checkout, f"variants/{name}.yaml", content)
    manifests, error = render(checkout, chart_from)
    assert error == ""
    assert deployments(manifests) == {"iris", "iris-boost", "iris-forest"}
    (rule,) = rendering.only(manifests, "HTTPRoute")["spec"]["rules"]
    shares = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    assert shares == {"iris": 70, "iris-boost": 20, "iris-forest": 10}
    # The pattern includes the settings, which have to stay below the version.
    pod = next(
        m["spec"]["template"]["spec"]
        for m in rendering.of_kind(manifests, "Deployment")
        if m["metadata"]["name"] == "iris"
    )
    assert pod["containers"][0]["image"].endswith("a" * 64)


@pytest.mark.parametrize("chart_from", KINDS)
def test_a_retired_model_is_an_error_that_names_its_file(checkout: Path, chart_from: str) -> None:
    """By which `modelctl retire` knows that Argo CD has seen the commit."""
    (checkout / "environments/dev/iris/version.yaml").unlink()
    _, error = render(checkout, chart_from)
    assert "environments/dev/iris/version.yaml: no such file" in error
    shutil.rmtree(checkout / "environments/dev/iris")
    _, error = render(checkout, chart_from)
    assert "environments/dev/iris/{settings,variants/*}.yaml" in error
    assert "matched no files" in error
