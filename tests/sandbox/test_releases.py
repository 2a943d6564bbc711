"""The image pipeline as it is played in the sandbox: real git, the real modelctl."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.bundles import Bundle, read_bundle
from sandbox.environments import models_with_folder, read_environments, read_releases
from sandbox.gitops import GitOps, open_gitops
from sandbox.images import Image
from sandbox.layout import Layout
from sandbox.releases import deliver
from tests import samples
from tests.paths import ROOT


def make_bundle(folder: Path, version: str) -> Path:
    folder.mkdir()
    (folder / "model.onnx").write_bytes(version.encode())
    entry = {"bytes": len(version), "sha256": hashlib.sha256(version.encode()).hexdigest()}
    manifest = {
        "engine": "onnx",
        "files": {"model.onnx": entry},
        "name": "iris",
        "schema_version": 1,
        "version": version,
    }
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    (folder / "manifest.json").write_text(text)
    return folder


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A project with our modelctl, three environments and nothing released."""
    root = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("app", "modelctl"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    unset = shutil.ignore_patterns("penguins")
    shutil.copytree(samples.ENVIRONMENTS, root / "environments", ignore=unset)
    chart = root / "charts" / "ml-model"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: ml-model\nversion: 1.0.0\n")
    (root / ".gitignore").write_text("/.venv\n/.sandbox\n")
    (root / ".venv").symlink_to(ROOT / ".venv")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        identity = ["-c", "user.name=User", "-c", "user.email=user@example.com"]
        subprocess.run(["git", *identity, *words], cwd=root, check=True)
    return Layout(root)


@pytest.fixture
def gitops(layout: Layout) -> GitOps:
    repositories = open_gitops(layout)
    repositories.prepare()
    return repositories


def build(layout: Layout, gitops: GitOps, tmp_path: Path, version: str) -> tuple[Bundle, Image]:
    folder = make_bundle(tmp_path / f"bundle-{version}", version)
    digest = "sha256:" + hashlib.sha256(version.encode()).hexdigest()
    image = Image("10.88.0.1:5000/iris", version, digest)
    return read_bundle(layout, gitops.worktree, folder), image


def travel(layout: Layout, gitops: GitOps, made: tuple[Bundle, Image]) -> list[str]:
    """One whole run of the pipeline, without waiting for Argo CD."""
    done: list[str] = []
    for environment in read_environments(gitops.worktree):
        done += deliver(layout, gitops, environment, {"iris": made})
        # As `make up` does: what is not pushed cannot run, and is not promoted further.
        gitops.push()
    return done


def versions(gitops: GitOps) -> dict[str, str]:
    return {release.environment: release.version for release in read_releases(gitops.worktree)}


def test_a_build_travels_through_every_environment_one_commit_each(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    bundle, image = build(layout, gitops, tmp_path, "1.0.0")
    assert travel(layout, gitops, (bundle, image)) == [
        "Bump iris to 1.0.0 in dev",
        "Promote iris 1.0.0 to staging",
        "Promote iris 1.0.0 to production",
    ]
    for release in read_releases(gitops.worktree):
        assert (release.image, release.digest) == (str(image), bundle.digest)
    log = gitops.git.line("log", "-3", "--format=%an|%s|%b").splitlines()
    assert log[0] == (f"ml-model sandbox|Promote iris 1.0.0 to production|Image {image}")
    assert gitops.pushed() == gitops.head()


def test_the_same_build_is_not_committed_twice(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    made = build(layout, gitops, tmp_path, "1.0.0")
    travel(layout, gitops, made)
    head = gitops.head()
    assert travel(layout, gitops, made) == []
    assert gitops.head() == head


def test_a_rollback_by_hand_stays_until_there_is_a_new_build(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    first = build(layout, gitops, tmp_path, "1.0.0")
    second = build(layout, gitops, tmp_path, "2.0.0")
    travel(layout, gitops, first)
    travel(layout, gitops, second)
    gitops.git("revert", "--no-edit", "HEAD")
    assert versions(gitops) == {"dev": "2.0.0", "staging": "2.0.0", "production": "1.0.0"}
    assert travel(layout, gitops, second) == []
    assert versions(gitops)["production"] == "1.0.0"
    third = build(layout, gitops, tmp_path, "3.0.0")
    assert travel(layout, gitops, third)[-1] == "Promote iris 3.0.0 to production"


def test_a_new_chart_travels_with_the_build_that_is_there(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    made = build(layout, gitops, tmp_path, "1.0.0")
    travel(layout, gitops, made)
    path = "charts/ml-model/Chart.yaml"
    (gitops.worktree / path).write_text("name: ml-model\nversion: 1.1.0\n")
    gitops.commit([path], "Chart 1.1.0")
    assert len(travel(layout, gitops, made)) == 3
    assert {release.chart for release in read_releases(gitops.worktree)} == {"1.1.0"}
    assert travel(layout, gitops, made) == []


def test_a_run_that_was_killed_is_continued_where_it_stopped(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    made = build(layout, gitops, tmp_path, "1.0.0")
    dev = read_environments(gitops.worktree)[0]
    deliver(layout, gitops, dev, {"iris": made})
    assert travel(layout, gitops, made) == [
        "Promote iris 1.0.0 to staging",
        "Promote iris 1.0.0 to production",
    ]


def test_nothing_is_promoted_that_is_not_released_before(layout: Layout, gitops: GitOps) -> None:
    environments = read_environments(gitops.worktree)
    assert deliver(layout, gitops, environments[1], {}) == []
    assert read_releases(gitops.worktree) == []


def test_models_with_folder_are_those_that_an_environment_is_set_up_for(tmp_path: Path) -> None:
    shutil.copytree(samples.ENVIRONMENTS, tmp_path / "environments")
    for model in ("iris", "unused"):
        (tmp_path / "models" / model).mkdir(parents=True)
        (tmp_path / "models" / model / "model.yaml").touch()
    assert models_with_folder(tmp_path) == ["iris"]


def test_a_build_reaches_both_of_two_environments_after_one(
    layout: Layout, gitops: GitOps, tmp_path: Path
) -> None:
    path = gitops.worktree / "environments" / "environments.yaml"
    text = path.read_text().replace("name: production\n", "name: production\n    after: [dev]\n")
    path.write_text(text)
    gitops.commit(["environments/environments.yaml"], "Two after dev")
    travel(layout, gitops, build(layout, gitops, tmp_path, "1.0.0"))
    assert versions(gitops) == {"dev": "1.0.0", "staging": "1.0.0", "production": "1.0.0"}
    assert [each.after for each in read_environments(gitops.worktree)] == [(), ("dev",), ("dev",)]
