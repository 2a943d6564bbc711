"""Which chart renders a release: the folder first, then the pinned version, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.rendering import charts
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import CHART
from tests.modelctl.conftest import VERSION, commit_all

# Stands in for helm: writes down how it was called, and delivers what it was asked for.
HELM = """#!/bin/sh
echo "$@" >> {log}
while [ $# -gt 1 ]; do
  case $1 in --version) version=$2 ;; --destination) folder=$2 ;; esac
  shift
done
echo packed > "$folder/ml-model-$version.tgz"
"""


@pytest.fixture
def repository(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """iris with chart 0.1.0 in dev and staging, in a checkout whose chart is 0.2.0."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(charts.REGISTRY_VARIABLE, raising=False)
    (released / "environments/staging/iris/version.yaml").write_text(VERSION)
    (released / CHART / "Chart.yaml").write_text("name: ml-model\nversion: 0.2.0\n")
    commit_all(released, "Chart 0.2.0")
    return Repository.find(released)


@pytest.fixture
def helm(tmp_path: Path) -> Path:
    """A helm that pulls; its calls are in `helm.log` beside it."""
    path = tmp_path / "helm"
    path.write_text(HELM.format(log=tmp_path / "helm.log"))
    path.chmod(0o755)
    return path


def found(repository: Repository, environment: str, helm: Path | str = "no-helm") -> Path:
    return charts.find(repository, repository.environment(environment), "iris", str(helm))


def test_first_environment_renders_the_folder_whatever_it_pins(repository: Repository) -> None:
    assert found(repository, "dev") == repository.root / CHART


def test_later_environment_renders_the_folder_when_that_is_the_pinned_chart(
    repository: Repository,
) -> None:
    version = repository.root / "environments/staging/iris/version.yaml"
    version.write_text(VERSION.replace("0.1.0", "0.2.0"))
    assert found(repository, "staging") == repository.root / CHART


def test_pinned_chart_is_pulled_once(
    repository: Repository, helm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(charts.REGISTRY_VARIABLE, "http://registry.example:5000/charts")
    first, second = (found(repository, "staging", helm) for _ in range(2))
    assert first == second
    assert first.name == "ml-model-0.1.0.tgz"
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    (call,) = (tmp_path / "helm.log").read_text().splitlines()
    assert call.startswith("pull oci://registry.example:5000/charts/ml-model --version 0.1.0 ")
    assert call.endswith("--plain-http")


def test_chart_that_nobody_has_is_an_error_that_names_both_ways_out(
    repository: Repository,
) -> None:
    with pytest.raises(ModelctlError) as error:
        found(repository, "staging")
    assert str(error.value) == (
        "chart ml-model 0.1.0 is not available locally\n"
        "  expected: 0.2.0, as in charts/ml-model, or a chart registry\n"
        "  fix: set chartRegistry in environments/environments.yaml, or $CHART_REGISTRY"
    )


def test_registry_without_the_chart_is_an_error_and_leaves_nothing_in_the_cache(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(charts.REGISTRY_VARIABLE, "registry.example/charts")
    with pytest.raises(ModelctlError, match=r"or push chart version 0\.1\.0"):
        found(repository, "staging", "/bin/false")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_version_file_without_a_pin_is_refused_in_a_later_environment(
    repository: Repository,
) -> None:
    version = repository.root / "environments/staging/iris/version.yaml"
    version.write_text(VERSION.partition("chart:")[0])
    with pytest.raises(ModelctlError, match=r"staging/iris/version\.yaml pins no chart version"):
        found(repository, "staging")


@pytest.mark.parametrize(
    ("edits", "refused"),
    [
        ({"templates/deployment.yaml": "kind: Deployment\n"}, True),
        ({"values.yaml": "{}\n"}, True),
        ({"values.yaml": "{}\n", "Chart.yaml": "name: ml-model\nversion: 0.3.0\n"}, False),
        ({"values.yaml": "{}\n", "Chart.yaml": "name: ml-model\nversion: 0.1.9\n"}, True),
        ({"Chart.yaml": "name: ml-model\nversion: 0.0.10\n"}, True),
        ({"Chart.yaml": "name: ml-model\nversion: 0.2.0-rc.1\n"}, True),
        ({"Chart.yaml": "name: ml-model\nversion: 0.10.0-rc.1\n"}, False),
        ({"Chart.yaml": "name: ml-model\nversion: 0.2.0+b2\n"}, False),
        ({"Chart.yaml": "name: ml-model\nversion: one\n"}, True),
        ({"tests/deployment_test.yaml": "suite: a\n", "golden/minimal.yaml": "a: b\n"}, False),
        ({".helmignore": "templates/networkpolicy.yaml\n"}, True),
        ({}, False),
    ],
)
def test_changed_chart_needs_a_new_version(
    repository: Repository, edits: dict[str, str], refused: bool
) -> None:
    before = (repository.root / CHART / "Chart.yaml").read_text()
    after = edits.get("Chart.yaml", before)
    changed = [f"{CHART}/{name}" for name in edits]
    assert bool(charts.release_violations(changed, before, after)) is refused
