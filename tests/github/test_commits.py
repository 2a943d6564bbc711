"""Commit messages are checked from the commit that began the rule, and what is not is said."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.github import commits
from tests.paths import ROOT
from tests.runner.base import NO_COMMIT

GOOD = "feat(chart): add a value"


@dataclass(frozen=True)
class Repository:
    """A git repository of its own, whose commits a test writes."""

    root: Path

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, file: str = "README.md") -> str:
        """Change a file; returns the commit."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.read_text() if path.exists() else ''}{message}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--cleanup=verbatim", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """With an old message, then the rule."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = You\nemail = you@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    made = Repository(tmp_path / "repository")
    made.root.mkdir()
    made.git("init", "--quiet")
    made.commit("How it was said before")
    made.commit("Now there is a rule", commits.RULE)
    return made


@pytest.mark.parametrize(
    "message",
    [
        "fix: refuse a digest that is too short",
        "feat(app/model)!: read manifests of version 3",
        "refactor(packaging,quality): share the table\n\nBoth had one of their own.",
        f"{'docs: '.ljust(commits.MAX_SUBJECT, 'x')}",
    ],
    ids=["no scope", "breaking", "with a body", "72 characters"],
)
def test_a_good_message_passes(message: str) -> None:
    assert commits.message_violations(message) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Formatted", "type(scope): subject"),
        ("feature(chart): add a value", "type(scope): subject"),
        ("feat (chart): add a value", "type(scope): subject"),
        ("feat(chart):add a value", "type(scope): subject"),
        ("feat(chart): ", "type(scope): subject"),
        ('Revert "feat: add a value"', "type(scope): subject"),
        ("fixup! feat: add a value", "type(scope): subject"),
        ("docs: ".ljust(73, "x"), "at most 72 characters, found 73"),
        ("fix: stop.", "no full stop"),
        ("fix: stop\nbecause", "blank line"),
    ],
)
def test_a_wrong_message_is_explained(message: str, problem: str) -> None:
    (found,) = commits.message_violations(message)
    assert problem in found


def test_every_problem_of_a_message_is_named_at_once() -> None:
    assert len(commits.message_violations(f"{'Stopped '.ljust(80, 'x')}.\nand more")) == 4


def test_the_rule_begins_with_the_commit_that_adds_it(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commits.check(repository.root, None) == 0
    assert capsys.readouterr().out == "commits: 0 checked\n"


def test_a_wrong_commit_is_named_with_an_example(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = repository.commit("Formatted")
    repository.commit(GOOD)
    assert commits.check(repository.root, None) == 1
    out = capsys.readouterr().out
    assert f"{wrong[:12]} 'Formatted'" in out
    assert commits.EXAMPLE in out
    assert GOOD not in out


def test_only_what_the_base_has_not_is_checked(repository: Repository) -> None:
    base = repository.commit("Formatted")
    repository.commit(GOOD)
    assert commits.check(repository.root, base) == 0
    assert commits.check(repository.root, f"{base}^") == 1


def test_without_a_base_origins_main_is_one(repository: Repository) -> None:
    repository.git("update-ref", "refs/remotes/origin/main", repository.commit("Formatted"))
    repository.commit(GOOD)
    assert [found.subject for found in commits.Clone(repository.root).since(None)] == [GOOD]


@pytest.mark.parametrize("gone", [NO_COMMIT, "f" * 40, "--all"], ids=["none", "forced", "option"])
def test_a_base_that_is_gone_gives_way_to_where_the_branch_began(
    repository: Repository, capsys: pytest.CaptureFixture[str], gone: str
) -> None:
    repository.git("update-ref", "refs/remotes/origin/main", repository.commit("Formatted"))
    repository.commit(GOOD)
    assert commits.check(repository.root, gone) == 0
    said, checked = capsys.readouterr().out.splitlines()
    assert said.startswith("BASE")
    assert checked == "commits: 1 checked"


def test_where_a_forced_push_of_main_took_the_base_all_are_checked(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """None are new to a main branch that was fetched after the push."""
    repository.commit("Formatted")
    repository.git("update-ref", "refs/remotes/origin/main", repository.commit(GOOD))
    assert commits.check(repository.root, None) == 0
    assert commits.check(repository.root, "f" * 40) == 1
    assert "pushed away by force?" in capsys.readouterr().out


def test_a_merge_is_not_checked_and_what_it_brings_is(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--create", "branch")
    repository.commit("Formatted", "other.md")
    repository.git("switch", "--quiet", "main")
    repository.commit(GOOD)
    repository.git("merge", "--quiet", "--no-ff", "--message", "Merge of a branch", "branch")
    found = {commit.subject for commit in commits.Clone(repository.root).since(None)}
    assert found == {"Formatted", GOOD}


def test_a_release_keeps_the_message_of_modelctl(repository: Repository) -> None:
    repository.commit("Promote iris 1.0.0 to staging", "environments/staging/iris/version.yaml")
    assert commits.check(repository.root, None) == 0
    repository.commit("Promote iris 1.1.0 to staging", "environments/staging/iris/version.yaml")
    (repository.root / "app.py").touch()
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--amend", "--no-edit")
    assert commits.check(repository.root, None) == 1


def test_a_shallow_clone_says_so(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for message in ("Formatted", GOOD, GOOD):
        repository.commit(message)
    shallow = Repository(tmp_path / "shallow")
    repository.git("clone", "--quiet", "--depth=2", repository.root.as_uri(), str(shallow.root))
    shallow.git("update-ref", "-d", "refs/remotes/origin/main")
    assert commits.check(shallow.root, None) == 0
    assert "1 checked; this clone is shallow" in capsys.readouterr().out
    assert commits.check(shallow.root, "f" * 40) == 0
    assert "set `fetch-depth: 0`" in capsys.readouterr().out


def test_outside_git_it_says_that_nothing_was_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commits.check(tmp_path, None) == 0
    assert "not checked" in capsys.readouterr().out


def test_make_lint_runs_it_and_every_event_names_its_base() -> None:
    """Without one, a push of several commits would be judged by its last."""
    lint = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]
    assert "-m tests.github.commits" in lint
    job = (ROOT / ".github/workflows/ci.yml").read_text().partition("  test:\n")[2]
    job = job.partition("\n\n")[0]
    assert "fetch-depth: 0" in job
    # BASE is the workflow's: tests/github/test_required_checks.py runs it at every event.
    assert "BASE:" not in job


def test_contributing_lists_every_type() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in commits.TYPES if f"`{name}`" not in text] == []
