"""`modelctl retire`: out of git, then out of the cluster, and never the wrong way round.

What Argo CD makes of it is tested on a real one in tests/e2e/test_retire.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import retire
from modelctl.repository.checkout import Repository
from tests.modelctl import kubectl
from tests.modelctl.conftest import VERSION, commit_all, git, run
from tests.modelctl.promotion.test_experiment_rules import FILE, put

DEV, STAGING = (f"environments/{name}/iris/version.yaml" for name in ("dev", "staging"))
WORDS = ("retire", "iris", "--env", "dev")


def test_the_version_file_goes_and_the_rest_stays(released: Path) -> None:
    output = run(*WORDS, "--no-live")
    assert not (released / DEV).exists()
    assert (released / "environments/dev/iris/settings.yaml").exists()
    assert (
        f"removed {DEV}; next:\n  git add {DEV} && git commit -m 'Retire iris from dev'" in output
    )
    assert "+++ /dev/null" in output
    commit_all(released, "retire")
    assert "no problems" in run("check", "--base", "HEAD~1")


def test_with_files_the_folder_goes_from_the_last_environment_to_the_first(released: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        run(*WORDS, "--files", "--no-live")
    assert str(refused.value) == (
        "'iris' is still set up in staging, which takes its versions from 'dev'; remove its files "
        "there first: `modelctl retire iris --env staging --files`, or leave out --files"
    )
    for name in ("production", "staging", "dev"):
        run("retire", "iris", "--env", name, "--files", "--no-live")
        assert not (released / "environments" / name / "iris").exists()
        commit_all(released, "retire")
        assert "no problems" in run("check", "--base", "HEAD~1")


def test_with_dry_run_everything_stays(released: Path) -> None:
    assert "dry run" in run(*WORDS, "--dry-run")
    assert (released / DEV).read_text() == VERSION


def test_later_environments_come_first(released: Path) -> None:
    (released / STAGING).write_text(VERSION)
    commit_all(released, "staging")
    with pytest.raises(RefusedError, match="'iris' is still released in staging"):
        run(*WORDS)
    (released / DEV).unlink()
    with pytest.raises(RefusedError, match=f"{DEV}: 'iris' is still released in staging"):
        run("check", "--base", "HEAD")


def test_a_frozen_model_stays(released: Path) -> None:
    run("freeze", "dev", "--until", "2999-12-24", "--reason", "inventory")
    commit_all(released, "freeze")
    with pytest.raises(RefusedError, match="is frozen for 'iris'"):
        run(*WORDS)


def test_the_second_run_without_a_cluster_says_what_to_do(released: Path) -> None:
    run(*WORDS)
    commit_all(released, "retire")
    output = run(*WORDS)
    assert output.startswith("dev-iris is not in git; no cluster reachable: ")
    assert "argocd app delete dev-iris   # deletes its pods" in output
    assert "--cascade=false   # orphans its pods" in run(*WORDS, "--keep-running")


@pytest.fixture
def retired(released: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Iris has left dev in git; nothing waits long."""
    (released / DEV).unlink()
    commit_all(released, "retire")
    monkeypatch.setattr(retire, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(retire, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(retire, "SETTLE_SECONDS", 0)
    return released


def test_an_application_whose_file_argo_cd_still_sees_is_not_deleted(
    retired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is not pushed: deleting now would stop the pods, and start them again."""
    asked = kubectl.install(tmp_path / "bin", monkeypatch, [kubectl.application()])
    with pytest.raises(ModelctlError, match="Argo CD still sees the version file of 'dev-iris'"):
        run(*WORDS)
    questions = asked.read_text().splitlines()
    assert any("annotate" in question for question in questions)
    assert not any("delete" in q or "patch" in q for q in questions)


HELM = "`helm template . --values environments/dev/iris/version.yaml` failed: Error: "


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        (f"{HELM}open cached/environments/dev/iris/version.yaml: no such file or directory", True),
        (f"{HELM}values don't meet the specifications", False),
        (f"{HELM}open cached/environments/dev/iris/settings.yaml: no such file", False),
        (f"{HELM}open cached/environments/staging/iris/version.yaml: no such file", False),
    ],
)
def test_only_a_missing_version_file_counts_and_not_any_failure(
    retired: Path, message: str, gone: bool
) -> None:
    repository = Repository.find(retired)
    pattern = retire.missing_files(repository, repository.environment("dev"), "iris")
    assert bool(pattern.search(message)) is gone


def test_a_dry_run_asks_and_touches_nothing(
    retired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = kubectl.install(tmp_path / "bin", monkeypatch, [kubectl.application()])
    assert run(*WORDS, "--dry-run") == "dry run: Application dev-iris would be deleted\n"
    assert all(" get " in question for question in asked.read_text().splitlines())


def test_a_name_that_nobody_knows_is_a_typo(
    retired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.install(tmp_path / "bin", monkeypatch, [])
    output = run(*WORDS)
    assert output == "dev-iris is neither in git nor in Argo CD: nothing to retire\n"
    with pytest.raises(ModelctlError, match="model 'irs' is not set up"):
        run("retire", "irs", "--env", "dev")


def test_as_json(released: Path) -> None:
    found = json.loads(run(*WORDS, "--output", "json"))
    assert [(c["file"], c["action"]) for c in found["changes"]] == [(DEV, "remove")]


def _return(output: str) -> str:
    """The commands that `retire` printed, as one runs them."""
    _, _, printed = output.partition("to bring it back as it was, then push:\n")
    return "set -e\n" + printed


@pytest.mark.parametrize("files", [(), ("--files",)], ids=["version", "files"])
@pytest.mark.parametrize("later", ["at-once", "after-other-commits", "with-another-edit"])
def test_the_printed_commands_bring_back_the_same_tree(
    released: Path, files: tuple[str, ...], later: str
) -> None:
    """Version, variants, experiment and all, not the version file alone."""
    put(released, forest=20, tree=0)
    folder = (released / FILE).parent
    (folder / "version.yaml").write_text(VERSION)
    (folder / "override.yaml").write_text("rules: [soak]\nreason: urgent\nversion:\n  " + (
        VERSION.replace("\n", "\n  ").rstrip()
    ))  # fmt: skip
    commit_all(released, "release")
    before = git(released, "rev-parse", "HEAD:environments/production/iris")
    output = run("retire", "iris", "--env", "production", "--no-live", *files)
    commit_all(released, "retire")
    assert folder.exists() is not bool(files)
    if later == "after-other-commits":
        (released / "README.md").write_text("more")
        commit_all(released, "other work")
    elif later == "with-another-edit" and not files:
        (folder / "capacity.yaml").write_text("replicaCount: 2\n")
        commit_all(released, "more pods, once it is back")
    subprocess.run(["bash", "-c", _return(output)], cwd=released, check=True)
    if later == "with-another-edit" and not files:
        assert (folder / "capacity.yaml").read_text() == "replicaCount: 2\n"
        (folder / "capacity.yaml").write_text("replicaCount: 1\n")
        commit_all(released, "as before")
    assert git(released, "rev-parse", "HEAD:environments/production/iris") == before
    assert git(released, "status", "--porcelain") == ""


def test_the_second_run_brings_back_what_the_first_removed(retired: Path) -> None:
    repository = Repository.find(retired)
    commands = retire.return_commands(repository, repository.environment("dev"), "iris")
    subprocess.run(["bash", "-c", "\n".join(commands)], cwd=retired, check=True)
    assert git(retired, "rev-parse", "HEAD^{tree}") == git(retired, "rev-parse", "HEAD~2^{tree}")
