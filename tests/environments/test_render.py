"""`modelctl render`: releases printed, and as folders of files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import RefusedError
from tests import rendering, samples


@pytest.fixture
def checkout(tmp_path: Path, version_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tests' values and our chart, with every model released in dev and in production."""
    root = tmp_path / "checkout"
    shutil.copytree(samples.ENVIRONMENTS, root / "environments")
    shutil.copytree(rendering.CHART, root / "charts/ml-model")
    for environment in ("dev", "production"):
        for model in (root / "environments" / environment).glob("*/"):
            shutil.copy(version_file, model / "version.yaml")
    monkeypatch.setenv("HELM", str(rendering.tool("helm4")))
    monkeypatch.chdir(root)
    return root


def printed(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["render", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_every_release_gets_a_folder_with_a_file_for_each_object(checkout: Path) -> None:
    printed("--output", "out")
    models = [path.name for path in checkout.glob("environments/dev/*/")]
    assert {path.name for path in (checkout / "out").iterdir()} == {
        f"{environment}-{model}" for environment in ("dev", "production") for model in models
    }
    for path in (checkout / "out").iterdir():
        environment, _, model = path.name.partition("-")
        text = printed(model, "--env", environment)
        files = [yaml.safe_load(file.read_text()) for file in path.iterdir()]
        assert len(files) >= 3

        def key(item: rendering.Manifest) -> tuple[str, str]:
            return item["kind"], item["metadata"]["name"]

        assert sorted(files, key=key) == sorted(rendering.parse(text), key=key)


def test_a_second_run_writes_the_same_and_removes_what_is_no_longer_rendered(
    checkout: Path,
) -> None:
    words = ("iris", "--env", "dev", "--output", "out")
    printed(*words)
    first = {path.name: path.read_text() for path in Path("out/dev-iris").iterdir()}
    Path("out/dev-iris/configmap-gone.yaml").write_text("kind: ConfigMap\n")
    Path("out/dev-iris/NOTES").write_text("not ours\n")
    printed(*words)
    again = {path.name: path.read_text() for path in Path("out/dev-iris").iterdir()}
    assert again == {**first, "NOTES": "not ours\n"}
    assert [path.name for path in Path("out").iterdir()] == ["dev-iris"]


@pytest.mark.parametrize("words", [(), ("iris",), ("--env", "dev")])
def test_without_a_folder_one_release_has_to_be_named(
    checkout: Path, words: tuple[str, ...]
) -> None:
    assert "pass MODEL and --env, or --output" in printed(*words, code=2)


def test_what_is_not_released_has_no_manifests(checkout: Path) -> None:
    result = CliRunner().invoke(cli, ["render", "--env", "staging", "--output", "out"])
    assert isinstance(result.exception, RefusedError)
    assert "no such release" in str(result.exception)
    assert not Path("out").exists()
