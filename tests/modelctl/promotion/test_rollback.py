"""`modelctl rollback` and `history`: an earlier version comes back from git."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from modelctl.errors import RefusedError
from modelctl.promotion.rollback import plan_rollback
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run


@pytest.fixture
def third(released: Path) -> Path:
    """Iris in dev at 1.2.0, after 1.0.0 and 1.1.0; returns the version file."""
    path = released / "environments/dev/iris/version.yaml"
    for version in ("1.1.0", "1.2.0"):
        path.write_text(VERSION.replace("1.0.0", version))
        commit_all(released, f"Bump iris to {version} in dev")
    return path


def test_rollback_puts_the_version_before_back(third: Path) -> None:
    output = run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "it's wrong")
    assert third.read_text() == VERSION.replace("1.0.0", "1.1.0")
    assert "git commit -m 'Roll back iris to 1.1.0 in dev: it'\"'\"'s wrong'" in output


def test_rollback_goes_to_a_named_version(third: Path) -> None:
    run("rollback", "iris", "--no-registry", "--env", "dev", "--to", "1.0.0", "--reason", "older")
    assert third.read_text() == VERSION


def test_rollback_with_dry_run_writes_nothing(third: Path) -> None:
    before = third.read_text()
    run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "try", "--dry-run")
    assert third.read_text() == before


def test_rollback_names_the_versions_there_are(third: Path) -> None:
    with pytest.raises(RefusedError, match=r"expected: one of 1\.0\.0, 1\.1\.0"):
        run("rollback", "iris", "--no-registry", "--env", "dev", "--to", "9", "--reason", "no such")


def test_rollback_without_an_earlier_version_is_refused(released: Path) -> None:
    with pytest.raises(RefusedError, match="no earlier version in git"):
        run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "none")


def test_a_planned_rollback_is_refused_in_a_freeze_unless_it_ends_it(third: Path) -> None:
    run("freeze", "dev/iris", "--until", "2999-01-01", "--reason", "inventory")
    repository = Repository.find()
    dev, now = repository.environment("dev"), datetime.now(UTC)
    with pytest.raises(RefusedError, match=r"frozen for 'iris' .*: inventory"):
        plan_rollback(repository, dev, "iris", None, now)
    edits, version = plan_rollback(repository, dev, "iris", None, now, break_freeze=True)
    assert version.model.version == "1.1.0"
    assert [edit.path.name for edit in edits] == ["version.yaml", "environments.yaml"]


def test_history_lists_versions_newest_first(third: Path) -> None:
    lines = run("history", "iris", "--env", "dev").splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["1.2.0", "1.1.0", "1.0.0"]


WORDS = ("rollback", "iris", "--env", "dev", "--no-registry", "--reason")


def release(path: Path, version: str, **digits: str) -> None:
    """Commit a version; `image` and `bundle` are the digits that its digests consist of."""
    text = VERSION.replace("1.0.0", version)
    for key, old in (("image", "a"), ("bundle", "b")):
        text = text.replace(f"sha256:{old * 64}", f"sha256:{digits.get(key, old) * 64}")
    path.write_text(text)
    commit_all(path.parents[3], f"Bump iris to {version} in dev")


def roll_back(path: Path, *options: str, reason: str = "wrong") -> str:
    """Roll back, commit as the command says, and return the version that is there now."""
    root = path.parents[3]
    output = run(*WORDS, reason, *options)
    command = output.split("next:\n  ")[1].strip()
    subprocess.run(command, shell=True, check=True, cwd=root, capture_output=True)  # noqa: S602
    return current(path)


def current(path: Path) -> str:
    """The version in a version file."""
    return str(yaml.safe_load(path.read_text())["model"]["version"])


def test_a_rollback_after_a_rollback_goes_further_back(third: Path) -> None:
    assert [roll_back(third), roll_back(third)] == ["1.1.0", "1.0.0"]
    with pytest.raises(RefusedError, match="not rolled back itself") as refused:
        run(*WORDS, "again")
    assert "1.2.0" in refused.value.found
    assert "--to VERSION --reason" in refused.value.fix
    assert roll_back(third, "--to", "1.2.0") == "1.2.0"


def test_a_rollback_never_returns_to_what_was_rolled_back(third: Path) -> None:
    roll_back(third)
    release(third, "1.3.0", image="c", bundle="d")
    assert roll_back(third) == "1.1.0"


def test_a_reverted_commit_counts_as_a_rollback(third: Path) -> None:
    subprocess.run(["git", "revert", "--no-edit", "HEAD"], check=True, capture_output=True)
    assert current(third) == "1.1.0"
    assert roll_back(third) == "1.0.0"


def test_a_rollback_that_was_merged_counts_as_one(third: Path) -> None:
    """With a merge commit, whose subject and trailers say nothing."""
    git = ["git", "-C", str(third.parents[3])]
    branch = subprocess.run([*git, "branch", "--show-current"], capture_output=True, text=True)
    subprocess.run([*git, "switch", "-qc", "rollback/dev-iris"], check=True)
    roll_back(third, reason="wrong labels")
    subprocess.run([*git, "switch", "-q", branch.stdout.strip()], check=True)
    words = ["merge", "-q", "--no-ff", "-m", "Merge pull request #1", "rollback/dev-iris"]
    subprocess.run([*git, *words], check=True)
    third.with_name("version.yaml").write_text(third.read_text())
    note = "1.2.0 was rolled back in dev on"
    output = run(*WORDS, "back", "--to", "1.2.0", "--dry-run")
    assert note in output
    assert ": wrong labels" in output
    assert roll_back(third) == "1.0.0"


@pytest.fixture
def various(released: Path) -> Path:
    """1.0.0, then two builds called 1.1.0, then 1.2.0; all with digests of their own."""
    path = released / "environments/dev/iris/version.yaml"
    release(path, "1.1.0", image="c", bundle="d")
    release(path, "1.1.0", image="e", bundle="f")
    release(path, "1.2.0", image="1", bundle="2")
    return path


@pytest.mark.parametrize(
    "wanted",
    ["dddd", "sha256:dddddd", "c" * 64, "sha256:" + "c" * 64, "HEAD~2"],
    ids=["bundle", "prefix", "image", "whole", "commit"],
)
def test_rollback_goes_to_a_digest_or_a_commit(various: Path, wanted: str) -> None:
    run(*WORDS, "x", "--to", wanted)
    assert "sha256:dddd" in various.read_text()


def test_rollback_goes_to_what_was_released_at_a_commit_of_another_file(various: Path) -> None:
    root = various.parents[3]
    words = ["git", "-C", str(root), "rev-parse", "--short", "HEAD~1"]
    commit = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    (root / "notes").write_text("x")
    commit_all(root, "notes")
    run(*WORDS, "x", "--to", commit)
    assert "sha256:ffff" in various.read_text()


@pytest.mark.parametrize("wanted", ["9.9.9", "0000000", "nosuch", "-x"])
def test_an_unknown_target_says_what_there_is(various: Path, wanted: str) -> None:
    with pytest.raises(RefusedError, match="no earlier version") as refused:
        run(*WORDS, "x", f"--to={wanted}")
    assert refused.value.expected == "one of 1.0.0, 1.1.0"


def test_an_ambiguous_target_says_what_tells_them_apart(various: Path) -> None:
    with pytest.raises(RefusedError, match=r"1\.1\.0 is ambiguous") as refused:
        run(*WORDS, "x", "--to", "1.1.0")
    assert "bundle dddddddddddd" in refused.value.found
    assert "bundle ffffffffffff" in refused.value.found


def test_what_was_rolled_back_is_in_trailers_that_git_reads(third: Path) -> None:
    roll_back(third, reason="wrong labels\nfor class 2: see #4")
    keys = "%(trailers:key=Rolled-back-from,valueonly)%(trailers:key=Rollback-reason,valueonly)"
    words = ["git", "log", "-1", f"--format={keys}"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == f"1.2.0 {DIGEST_B} {DIGEST_A}"
    assert lines[1] == "wrong labels for class 2: see #4"


def test_promoting_again_what_was_rolled_back_warns_with_the_reason(released: Path) -> None:
    staging = released / "environments/staging/iris/version.yaml"
    dev = released / "environments/dev/iris/version.yaml"
    release(staging, "0.9.0", image="1", bundle="2")
    run("promote", "iris", "--to", "staging", "--no-live")
    commit_all(released, "promoted")
    command = run(
        "rollback", "iris", "--env", "staging", "--no-registry", "--reason", "wrong labels"
    ).split("next:\n  ")[1]
    subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602
    output = run("promote", "iris", "--to", "staging", "--no-live", "--dry-run")
    assert "warning: 1.0.0 was rolled back in staging on" in output
    assert ": wrong labels" in output
    release(dev, "1.1.0", image="3", bundle="4")
    assert "warning" not in run("promote", "iris", "--to", "staging", "--no-live", "--dry-run")


def test_rollback_through_a_freeze_of_all_prints_what_matters(third: Path) -> None:
    root = third.parents[3]
    for index in range(500):
        shutil.copytree(third.parent, root / f"environments/dev/more{index}")
    commit_all(root, "many models")
    run("freeze", "dev", "--until", "2999-01-01", "--reason", "inventory")
    commit_all(root, "freeze")
    output = run(*WORDS, "x", "--break-freeze")
    assert len(output.splitlines()) < 100
    assert "+  version: 1.1.0" in output
    assert "more lines" in output


WITHOUT_REGISTRY = ("--reason", "x", "--no-registry")


@pytest.mark.parametrize("wanted", ["1.0.0", "HEAD", DIGEST_A])
def test_a_rollback_to_what_runs_already_changes_nothing(released: Path, wanted: str) -> None:
    """It said that git has no such version."""
    output = run("rollback", "iris", "--env", "dev", "--to", wanted, *WITHOUT_REGISTRY)
    assert output == "environments/dev/iris/version.yaml is already up to date\n"


def test_a_rollback_of_a_retired_release_says_how_it_comes_back(released: Path) -> None:
    (released / "environments/dev/iris/version.yaml").unlink()
    commit_all(released, "Retire iris from dev")
    with pytest.raises(RefusedError, match="is not released in 'dev'") as error:
        run("rollback", "iris", "--env", "dev", *WITHOUT_REGISTRY)
    subprocess.run(error.value.fix, shell=True, check=True, cwd=released)  # noqa: S602
    assert "version: 1.0.0" in (released / "environments/dev/iris/version.yaml").read_text()
