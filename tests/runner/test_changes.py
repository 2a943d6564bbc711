"""Which files a change touches, asked of real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.runner.base import NO_COMMIT
from tests.runner.changes import since_base


def git(folder: Path, *words: str) -> str:
    argv = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t.example", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, name: str) -> str:
    (folder / name).write_text(name)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", name)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BASE", raising=False)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "first")
    return tmp_path


def test_the_first_commit_touches_everything(repository: Path) -> None:
    assert since_base(repository) == ("no commit to compare with", ["first"])


def test_the_newest_commit_and_what_is_not_committed(repository: Path) -> None:
    commit(repository, "second")
    commit(repository, "third")
    (repository / "first").write_text("edited")
    (repository / "new").write_text("new")
    assert since_base(repository)[1] == ["first", "new", "third"]


def test_a_branch_is_compared_with_where_it_left_the_upstream(repository: Path) -> None:
    base = commit(repository, "second")
    git(repository, "update-ref", "refs/remotes/origin/main", base)
    commit(repository, "third")
    commit(repository, "fourth")
    assert since_base(repository) == (f"commit {base[:12]}", ["fourth", "third"])


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("", ""),
        (NO_COMMIT, "BASE is no commit, as in the first push of a branch\n"),
        ("gone", "BASE=gone is not a commit of this clone; was it pushed away by force?\n"),
    ],
    ids=["empty", "new branch", "gone"],
)
def test_a_base_that_is_none_means_the_commit_before(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    base: str,
    said: str,
) -> None:
    commit(repository, "second")
    commit(repository, "third")
    monkeypatch.setenv("BASE", base)
    assert since_base(repository)[1] == ["third"]
    assert capsys.readouterr().out == said


def test_a_base_that_a_forced_push_took_means_where_the_branch_began(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = git(repository, "rev-parse", "HEAD")
    git(repository, "update-ref", "refs/remotes/origin/main", fork)
    commit(repository, "second")
    commit(repository, "third")
    monkeypatch.setenv("BASE", "f" * 40)
    assert since_base(repository) == (f"commit {fork[:12]}", ["second", "third"])


def test_a_shallow_clone_says_how_to_get_its_base(
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "second")
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "--quiet", "--depth=1", repository.as_uri(), ".")
    monkeypatch.setenv("BASE", first)
    assert since_base(shallow) == ("no commit to compare with", ["first", "second"])
    assert "`fetch-depth: 0`" in capsys.readouterr().out


def test_a_named_base_counts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "second")
    commit(repository, "third")
    monkeypatch.setenv("BASE", first)
    assert since_base(repository)[1] == ["second", "third"]


def test_a_renamed_file_counts_under_both_names(repository: Path) -> None:
    commit(repository, "second")
    git(repository, "mv", "second", "übung")
    git(repository, "commit", "--quiet", "--message", "moved")
    assert since_base(repository)[1] == ["second", "übung"]


def test_without_git_everything_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BASE", raising=False)
    (tmp_path / "file").touch()
    assert since_base(tmp_path) == ("nothing: git does not answer here", ["file"])
