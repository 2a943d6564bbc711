"""`--pull-request` of promote, bump and rollback: a branch and a request, the checkout untouched.

GitHub is played by a `gh` that writes down what it was told.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, make_bundle, run

TARGET = "environments/staging/iris/version.yaml"
BRANCH = "promote/staging-iris"
WORDS = ("promote", "iris", "--to", "staging", "--pull-request", "--no-live")
GH = """\
#!/usr/bin/env python3
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "told").open("a") as told:
    told.write(json.dumps(sys.argv[1:]) + "\\n")
opened = folder / "opened"
if sys.argv[1:3] == ["pr", "list"] and opened.exists():
    print("https://forge.example/pull/1")
if "-" in sys.argv:
    (folder / "body").write_text(sys.stdin.read())
if sys.argv[1:3] == ["pr", "create"]:
    opened.touch()
    print("Creating pull request\\nhttps://forge.example/pull/1")
"""


@dataclass(frozen=True)
class Forge:
    """A remote repository and what `gh` was told."""

    checkout: Path
    remote: Path
    log: Path

    def told(self) -> list[list[str]]:
        """The arguments of each call."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def body(self) -> str:
        """What the latest call brought beside its arguments."""
        return (self.log.parent / "body").read_text()

    def publish(self, message: str) -> None:
        """Commit everything and push it to the branch that pull requests go to."""
        commit_all(self.checkout, message)
        git("-C", str(self.checkout), "push", "--quiet", "origin", "HEAD")

    def show(self, revision: str) -> str:
        """An object of the remote."""
        return git("-C", str(self.remote), "show", revision)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def with_remote(checkout: Path, folder: Path) -> Path:
    remote = folder / "remote.git"
    git("clone", "--quiet", "--bare", str(checkout), str(remote))
    git("-C", str(checkout), "remote", "add", "origin", str(remote))
    git("-C", str(checkout), "fetch", "--quiet")
    return remote


@pytest.fixture
def forge(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forge:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return Forge(released, with_remote(released, tmp_path), tools / "told")


def test_a_request_is_opened_and_the_checkout_is_left_alone(forge: Forge) -> None:
    (forge.checkout / "notes.txt").write_text("mine\n")
    head = git("rev-parse", "HEAD")
    output = run(*WORDS)
    assert output.splitlines()[-1] == "https://forge.example/pull/1"
    assert forge.show(f"{BRANCH}:{TARGET}") == VERSION
    assert forge.show(f"{BRANCH}^") == forge.show(head.strip())
    assert git("status", "--porcelain") == "?? notes.txt\n"
    assert git("rev-parse", "HEAD") == head
    assert len(git("worktree", "list").splitlines()) == 1


def test_gh_is_told_branch_title_and_what_is_known(forge: Forge) -> None:
    run(*WORDS)
    create = forge.told()[-1]
    options = dict(zip(create[2::2], create[3::2], strict=True))
    assert create[:2] == ["pr", "create"]
    assert options["--head"] == BRANCH
    assert options["--title"] == "Promote iris 1.0.0 to staging"
    assert f"| bundle | none | `{DIGEST_B}` |" in forge.body()
    assert "health not checked" in forge.body()


def test_the_same_request_twice_changes_nothing(forge: Forge) -> None:
    run(*WORDS)
    before = git("-C", str(forge.remote), "rev-parse", BRANCH)
    assert "https://forge.example/pull/1" in run(*WORDS)
    assert git("-C", str(forge.remote), "rev-parse", BRANCH) == before
    assert [words[1] for words in forge.told()] == ["list", "create", "list"]


def test_a_newer_version_replaces_the_branch_and_what_its_request_says(forge: Forge) -> None:
    run(*WORDS)
    newer = VERSION.replace("1.0.0", "1.1.0")
    (forge.checkout / "environments/dev/iris/version.yaml").write_text(newer)
    forge.publish("newer")
    run(*WORDS)
    assert forge.show(f"{BRANCH}:{TARGET}") == newer
    assert [words[1] for words in forge.told()[:-1]] == ["list", "create", "list"]
    assert forge.told()[-1][:4] == ["api", "--method", "PATCH", "repos/{owner}/{repo}/pulls/1"]
    written = json.loads(forge.body())
    assert written["title"] == "Promote iris 1.1.0 to staging"
    assert "| model | none | 1.1.0 |" in written["body"]


def test_somebody_elses_work_on_the_branch_is_not_overwritten(forge: Forge, tmp_path: Path) -> None:
    run(*WORDS)
    other = tmp_path / "other"
    git("clone", "--quiet", "--branch", BRANCH, str(forge.remote), str(other))
    (other / "fix").write_text("theirs\n")
    commit_all(other, "theirs")
    git("-C", str(other), "push", "--quiet")
    newer = VERSION.replace("1.0.0", "1.1.0")
    (forge.checkout / "environments/dev/iris/version.yaml").write_text(newer)
    forge.publish("newer")
    theirs = git("-C", str(forge.remote), "rev-parse", BRANCH).strip()
    run(*WORDS)
    assert forge.show(f"{BRANCH}:fix") == "theirs\n"
    assert forge.show(f"{BRANCH}:{TARGET}") == newer
    git("-C", str(forge.remote), "merge-base", "--is-ancestor", theirs, BRANCH)


def test_with_dry_run_nobody_is_told(forge: Forge) -> None:
    output = run(*WORDS, "--dry-run")
    assert "pull request:\n\nPromote iris 1.0.0 to staging\n\n## Version\n" in output
    assert not forge.log.exists()
    assert git("-C", str(forge.remote), "branch", "--list", BRANCH) == ""


def test_without_gh_the_printed_commands_do_the_same(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = with_remote(released, tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None if name == "gh" else f"/usr/bin/{name}")
    lines = run(*WORDS).splitlines()
    assert git("status", "--porcelain") == ""
    start = lines.index("to open a pull request (`gh` is not on PATH), push its branch:") + 1
    for line in lines[start:]:
        subprocess.run(shlex.split(line), check=True, capture_output=True)
    assert git("-C", str(remote), "show", f"{BRANCH}:{TARGET}") == VERSION


def test_a_bump_is_proposed_and_the_newer_of_two_builds_wins(forge: Forge, tmp_path: Path) -> None:
    branch, target = "bump/dev-iris", "environments/dev/iris/version.yaml"
    for version in ("1.1.0", "1.2.0"):
        bundle = tmp_path / version
        make_bundle(bundle, version)
        image = f"registry.example/iris:{version}@{DIGEST_A}"
        output = run(
            *("bump", "iris", "--env", "dev", "--image", image),
            *("--bundle", str(bundle), "--pull-request"),
        )
        assert output.splitlines()[-1] == "https://forge.example/pull/1"
    assert "tag: 1.2.0\n" in forge.show(f"{branch}:{target}")
    assert [words[1] for words in forge.told()[:-1]] == ["list", "create", "list"]
    assert json.loads(forge.body())["title"] == "Bump iris to 1.2.0 in dev"
    assert git("status", "--porcelain") == ""


def test_a_rollback_is_proposed_with_its_reason(forge: Forge) -> None:
    target = forge.checkout / "environments/dev/iris/version.yaml"
    target.write_text(VERSION.replace("1.0.0", "1.1.0"))
    forge.publish("newer")
    run(
        *("rollback", "iris", "--env", "dev", "--no-registry"),
        *("--reason", "wrong labels", "--pull-request"),
    )
    assert forge.show("rollback/dev-iris:environments/dev/iris/version.yaml") == VERSION
    create = forge.told()[-1]
    assert "Roll back iris to 1.0.0 in dev: wrong labels" in create
    assert git("status", "--porcelain") == ""
