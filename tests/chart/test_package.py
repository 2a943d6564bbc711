"""The chart as one file: the same bytes from the same content, and what both Helms can install."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.rendering import chart_package
from tests import rendering
from tests.paths import ROOT

SECONDS = 1_700_000_000
GIVEN = {"SOURCE_DATE_EPOCH": str(SECONDS)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The chart somewhere else, written at another time and with other rights."""
    copied = tmp_path / "elsewhere" / "ml-model"
    shutil.copytree(rendering.CHART, copied)
    for path in copied.rglob("*"):
        os.utime(path, (1, 1))
        if path.is_file():
            path.chmod(0o600)
    return copied


def package(chart: Path, out: Path, helm: str = "helm4") -> chart_package.ChartPackage:
    return chart_package.package(chart, out, str(rendering.tool(helm)), GIVEN)


def test_two_packages_of_one_content_are_one(helm: str, copy: Path, tmp_path: Path) -> None:
    """Another folder, another time, another Helm, other rights: the same file."""
    first = package(rendering.CHART, tmp_path / "first")
    second = package(copy, tmp_path / "second", helm)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == f"sha256:{hashlib.sha256(first.path.read_bytes()).hexdigest()}"


def test_package_of_another_content_is_another(copy: Path, tmp_path: Path) -> None:
    with (copy / "values.yaml").open("a", encoding="utf-8") as values:
        values.write("# another\n")
    ours = package(rendering.CHART, tmp_path / "ours")
    assert package(copy, tmp_path / "other").digest != ours.digest


def test_nothing_in_a_package_depends_on_who_made_it_and_when(tmp_path: Path) -> None:
    packed = package(rendering.CHART, tmp_path).path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        entries = tar.getmembers()
    names = [entry.name for entry in entries]
    assert names[0] == "ml-model/Chart.yaml"
    assert names[1:] == sorted(names[1:])
    facts = {(e.mtime, e.mode, e.uid, e.gid, e.uname, e.gname) for e in entries}
    assert facts == {(SECONDS, 0o644, 0, 0, "", "")}
    # gzip's own header: no flags (no name), the time, and nothing of the machine.
    assert packed[3:8] == b"\0" + SECONDS.to_bytes(4, "little")


def test_package_holds_what_users_need_and_not_what_developers_do(tmp_path: Path) -> None:
    with tarfile.open(package(rendering.CHART, tmp_path).path) as tar:
        names = {name.removeprefix("ml-model/") for name in tar.getnames()}
    needed = {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "files/predict.py"}
    assert {*needed, "CHANGELOG.md", "UPGRADING.md", "templates/deployment.yaml"} <= names
    unwanted = ("ci/", "tests/", "golden/", ".schema", "README.md.gotmpl")
    assert [name for name in names if name.startswith(unwanted)] == []


def test_package_renders_what_the_folder_does(
    helm: str, minimal: list[str], tmp_path: Path
) -> None:
    packed = package(rendering.CHART, tmp_path).path
    from_package, from_folder = (
        rendering.template(helm, chart, "iris", "ml-dev", *minimal)
        for chart in (packed, rendering.CHART)
    )
    assert from_package == from_folder


def test_failed_packaging_leaves_nothing(copy: Path, tmp_path: Path) -> None:
    (copy / "Chart.yaml").write_text("name: ml-model\n", encoding="utf-8")
    out = tmp_path / "out"
    with pytest.raises(ModelctlError, match="package"):
        package(copy, out)
    assert list(out.iterdir()) == []


def test_age_of_a_package_is_that_of_the_last_commit(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / "chart").mkdir(parents=True)
    rendering.run("git", "init", "-q", folder)
    with pytest.raises(ModelctlError, match=r"no timestamp for the package: .* has no commits"):
        chart_package.epoch(folder / "chart", {})
    (folder / "chart" / "Chart.yaml").write_text("name: a\n", encoding="utf-8")
    commit(folder, "@1234567890 +0000")
    (folder / "beside").write_text("not of the chart\n", encoding="utf-8")
    commit(folder, "@1700000000 +0000")
    assert chart_package.epoch(folder / "chart", {}) == 1234567890
    assert chart_package.epoch(folder / "chart", GIVEN) == SECONDS


def commit(folder: Path, when: str) -> None:
    """Commit everything at that time."""
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    rendering.run("git", "-C", folder, "add", ".")
    done = rendering.run(
        *("env", f"GIT_COMMITTER_DATE={when}", "git", "-C", folder, *author),
        *("commit", "-q", "-m", "x"),
    )
    assert done.code == 0, done.stderr


def test_time_that_is_none_is_refused() -> None:
    with pytest.raises(ModelctlError, match="SOURCE_DATE_EPOCH is not a time"):
        chart_package.epoch(rendering.CHART, {"SOURCE_DATE_EPOCH": "yesterday"})


def test_command_prints_the_file_and_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HELM", str(rendering.tool("helm4")))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(SECONDS))
    result = CliRunner().invoke(cli, ["package-chart", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    chart = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    file, digest = result.output.split()
    assert Path(file).name == f"ml-model-{chart['version']}.tgz"
    assert digest == package(rendering.CHART, tmp_path / "again").digest
