"""From the version before to this one: nothing is recreated, and no pod restarts for a number."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import rendering
from tests.chart import changelog, goldens, previous

PREVIOUS = previous.package()
EXAMPLES = goldens.examples()
# What the API server refuses to change, by kind; a release that changed one could not be upgraded.
IMMUTABLE = {
    "Deployment": ("spec.selector",),
    "Service": ("spec.clusterIP",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName"),
}


def before(example: goldens.Example) -> list[rendering.Manifest] | None:
    """What the version before renders of an example; None when it does not know one of its keys."""
    result = rendering.try_template(
        "helm4", PREVIOUS, "iris", "ml-dev", *rendering.values(example.file)
    )
    if result.code and "additional properties" in result.stderr:
        return None
    assert result.code == 0, result.stderr
    return rendering.parse(result.stdout)


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[dict[Any, rendering.Manifest], dict[Any, rendering.Manifest]]]:
    """Every example that both versions know, by name: its objects before and after."""
    found = {}
    for example in EXAMPLES:
        old = before(example)
        if old is not None:
            new = rendering.parse(goldens.render(example))
            found[example.name] = (by_identity(old), by_identity(new))
    return found


def by_identity(manifests: list[rendering.Manifest]) -> dict[Any, rendering.Manifest]:
    """Objects by what makes them the same object on a cluster."""
    return {(m["apiVersion"].split("/")[0], m["kind"], m["metadata"]["name"]): m for m in manifests}


def at(manifest: rendering.Manifest, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    node: Any = manifest
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def test_kept_package_is_that_of_the_version_before() -> None:
    versions = [s.version for s in changelog.sections(changelog.PAGE.read_text(encoding="utf-8"))]
    assert re.fullmatch(r"ml-model-(.+)\.tgz", PREVIOUS.name)[1] == versions[1]  # type: ignore[index]


def test_most_examples_are_compared(pairs: dict[str, Any]) -> None:
    assert {"minimal", "production", "http-route", "keda", "mesh"} <= set(pairs)
    assert len(pairs) >= 10


def test_no_field_changes_that_cannot_be_changed(pairs: dict[str, Any]) -> None:
    differing = [
        f"{name}: {identity[1]} {path}"
        for name, (old, new) in pairs.items()
        for identity in old.keys() & new.keys()
        for path in IMMUTABLE.get(identity[1], ())
        if at(old[identity], path) != at(new[identity], path)
    ]
    assert differing == []


def test_no_object_gets_another_name(pairs: dict[str, Any]) -> None:
    """It would be made anew: a Service under another address, a monitor that forgets."""
    gone = {name: sorted(old.keys() - new.keys()) for name, (old, new) in pairs.items()}
    assert {name: lost for name, lost in gone.items() if lost} == {}


def test_comparison_sees_a_changed_selector(tmp_path: Path) -> None:
    """The check above on a chart that breaks the rule."""
    broken = tmp_path / "ml-model"
    shutil.copytree(rendering.CHART, broken)
    helpers = broken / "templates" / "_helpers.tpl"
    text = helpers.read_text(encoding="utf-8")
    frozen = '{{- define "ml-model.selectorLabels" -}}\n'
    assert text.count(frozen) == 1
    # What follows takes away the line break before it.
    label = 'tier: model{{ "\\n" }}\n'
    helpers.write_text(text.replace(frozen, frozen + label), encoding="utf-8")
    minimal = rendering.CHART / "ci" / "minimal-values.yaml"
    old, new = (
        rendering.only(
            rendering.template("helm4", chart, "iris", "ml-dev", *rendering.values(minimal)),
            "Deployment",
        )
        for chart in (PREVIOUS, broken)
    )
    assert at(old, "spec.selector") != at(new, "spec.selector")


@pytest.mark.parametrize("version", ["1.2.0", ""], ids=["with-a-version", "without-a-version"])
def test_no_pod_restarts_because_the_chart_has_another_number(
    helm: str, minimal: list[str], tmp_path: Path, version: str
) -> None:
    renumbered = tmp_path / "ml-model"
    shutil.copytree(rendering.CHART, renumbered)
    text = (renumbered / "Chart.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^(version|appVersion): .*$", r"\1: 9.9.9", text, flags=re.MULTILINE)
    (renumbered / "Chart.yaml").write_text(text, encoding="utf-8")
    ours, other = (
        rendering.only(
            rendering.template(
                helm, chart, "iris", "ml-dev", *minimal, "--set", f"model.version={version}"
            ),
            "Deployment",
        )
        for chart in (rendering.CHART, renumbered)
    )
    assert ours["metadata"]["labels"] != other["metadata"]["labels"]
    assert ours["spec"]["template"] == other["spec"]["template"]
