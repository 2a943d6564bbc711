"""`modelctl render` and `diff` on this repository's own chart and environments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.rendering.charts import folder_version
from tests import rendering, samples
from tests.modelctl.conftest import VERSION, commit_all, run
from tests.paths import ROOT

PINNED = VERSION.replace("0.1.0", folder_version(ROOT))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our chart and the tests' environments, iris and penguins released in dev and staging."""
    shutil.copytree(rendering.CHART, tmp_path / "charts/ml-model")
    shutil.copytree(samples.ENVIRONMENTS, tmp_path / "environments")
    for release in ("dev/iris", "staging/iris", "dev/penguins"):
        (tmp_path / "environments" / release / "version.yaml").write_text(PINNED)
    rendering.run("git", "init", "-q", tmp_path)
    commit_all(tmp_path, "start")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HELM", str(rendering.tool("helm4")))
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_render_gives_what_helm_renders(checkout: Path) -> None:
    version = checkout / "environments/dev/iris/version.yaml"
    expected = rendering.template(
        *("helm4", rendering.CHART, "iris", "ml-dev"),
        *rendering.release_values("dev", "iris", version, checkout / "environments"),
    )
    assert rendering.parse(run("render", "iris", "--env", "dev")) == expected


def test_render_of_a_model_that_is_not_released_says_how_to_release_it(checkout: Path) -> None:
    with pytest.raises(ModelctlError, match="modelctl promote iris --to production"):
        run("render", "iris", "--env", "production")


def test_diff_with_base_shows_only_the_release_whose_setting_changed(checkout: Path) -> None:
    edit(checkout / "environments/dev/iris/settings.yaml", "maxBatchRows: 100", "maxBatchRows: 7")
    output = run("diff", "--base", "HEAD")
    assert [line for line in output.splitlines() if line.startswith("===")] == ["=== dev-iris"]
    assert "-  MAX_BATCH_ROWS: '100'\n+  MAX_BATCH_ROWS: '7'" in output


def test_diff_with_base_shows_every_release_when_a_template_changed(checkout: Path) -> None:
    edit(checkout / "charts/ml-model/templates/service.yaml", "kind: Service", "kind: Service\n# x")
    assert run("diff", "--base", "HEAD") == "no release differs from HEAD\n"
    edit(checkout / "charts/ml-model/values.yaml", "maxInFlight: 64", "maxInFlight: 65")
    output = run("diff", "--base", "HEAD", "--markdown")
    for name in ("dev-iris", "dev-penguins", "staging-iris"):
        assert f"<b>{name}</b>" in output


def test_diff_with_base_shows_a_model_that_leaves(checkout: Path) -> None:
    (checkout / "environments/dev/penguins/version.yaml").unlink()
    output = run("diff", "--base", "HEAD")
    assert "removed Deployment/penguins" in output
    assert "=== dev-iris" not in output


def test_diff_of_two_environments_shows_what_differs_beside_the_namespace(checkout: Path) -> None:
    output = run("diff", "iris", "dev", "staging")
    assert "-  LOG_LEVEL: debug" in output
    assert "ml-dev" not in output


@pytest.mark.parametrize("arguments", [("diff",), ("diff", "iris"), ("diff", "iris", "dev")])
def test_diff_without_enough_words_says_what_to_give(checkout: Path, arguments: Any) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "pass MODEL FIRST SECOND, or --base COMMIT" in result.output
