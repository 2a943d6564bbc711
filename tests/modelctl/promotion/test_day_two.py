"""The second day in git: real repositories, an origin and two clones, whatever state they are in.

GitHub is played by the `gh` of test_pull_request.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import origin
from tests.modelctl.conftest import VERSION, commit_all, run
from tests.modelctl.promotion.test_pull_request import GH, git

DEV, TARGET = (f"environments/{name}/iris/version.yaml" for name in ("dev", "staging"))
BRANCH = "promote/staging-iris"
PROMOTE = ("promote", "iris", "--to", "staging", "--no-live")
PROPOSE = (*PROMOTE, "--pull-request")


@dataclass(frozen=True)
class Team:
    """A bare origin, and two clones of it; the current folder is `mine`."""

    origin: Path
    mine: Path
    theirs: Path

    def at(self, revision: str) -> str:
        """An object of the origin."""
        return git("-C", str(self.origin), "show", revision)

    def id(self, revision: str) -> str:
        """A commit of the origin."""
        return git("-C", str(self.origin), "rev-parse", revision).strip()

    def release(self, clone: Path, version: str, name: str = DEV) -> None:
        """Commit a version and push it to main."""
        (clone / name).write_text(VERSION.replace("1.0.0", version))
        commit_all(clone, f"{version} in {name}")
        git("-C", str(clone), "pull", "--quiet", "--rebase", "origin", "main")
        git("-C", str(clone), "push", "--quiet", "origin", "HEAD:main")


def state(checkout: Path) -> tuple[str, ...]:
    """What belongs to the user: where HEAD is, the index, files, the stash, branches, worktrees."""
    questions = (
        ("rev-parse", "HEAD"),
        ("rev-parse", "--abbrev-ref", "HEAD"),
        ("status", "--porcelain", "--ignored"),
        ("diff", "--cached"),
        ("diff",),
        ("stash", "list"),
        ("for-each-ref", "refs/heads"),
        ("worktree", "list"),
        ("config", "--local", "--list"),
    )
    return tuple(git("-C", str(checkout), *words) for words in questions)


def make_team(released: Path, folder: Path) -> Team:
    git("-C", str(released), "branch", "-M", "main")
    git("clone", "--quiet", "--bare", str(released), str(folder / "origin.git"))
    for name in ("mine", "theirs"):
        git("clone", "--quiet", str(folder / "origin.git"), str(folder / name))
    return Team(folder / "origin.git", folder / "mine", folder / "theirs")


@pytest.fixture
def team(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    result = make_team(released, tmp_path)
    monkeypatch.chdir(result.mine)
    return result


def test_a_second_request_after_the_branch_was_merged_and_deleted(team: Team) -> None:
    run(*PROPOSE)
    git("-C", str(team.theirs), "fetch", "--quiet")
    git("-C", str(team.theirs), "merge", "--quiet", "--squash", f"origin/{BRANCH}")
    commit_all(team.theirs, "squashed")
    git("-C", str(team.theirs), "push", "--quiet")
    git("-C", str(team.origin), "branch", "-D", BRANCH)
    git("-C", str(team.mine), "pull", "--quiet")
    team.release(team.mine, "1.1.0")
    run(*PROPOSE)
    assert team.at(f"{BRANCH}:{TARGET}") == VERSION.replace("1.0.0", "1.1.0")
    assert team.id(f"{BRANCH}^") == team.id("main")


def test_a_squashed_branch_that_was_not_deleted_is_used_again(team: Team) -> None:
    run(*PROPOSE)
    git("-C", str(team.theirs), "fetch", "--quiet")
    git("-C", str(team.theirs), "merge", "--quiet", "--squash", f"origin/{BRANCH}")
    commit_all(team.theirs, "squashed")
    git("-C", str(team.theirs), "push", "--quiet")
    git("-C", str(team.mine), "pull", "--quiet")
    team.release(team.mine, "1.1.0")
    run(*PROPOSE)
    assert team.at(f"{BRANCH}:{TARGET}") == VERSION.replace("1.0.0", "1.1.0")
    git("-C", str(team.theirs), "pull", "--quiet")
    git("-C", str(team.theirs), "fetch", "--quiet")
    git("-C", str(team.theirs), "merge", "--quiet", f"origin/{BRANCH}", "-m", "merged")


def test_a_request_starts_at_the_target_branch_and_leaves_the_checkout_alone(team: Team) -> None:
    git("switch", "--quiet", "--create", "feature")
    (team.mine / "work.txt").write_text("mine\n")
    commit_all(team.mine, "work in progress")
    (team.mine / "environments/dev/iris/settings.yaml").write_text("config:\n  logLevel: debug\n")
    git("stash", "--quiet")
    (team.mine / "work.txt").write_text("more\n")
    git("add", "work.txt")
    (team.mine / "untracked").write_text("x\n")
    (team.mine / "environments/dev/iris/capacity.yaml").write_text("replicaCount: 3\n")
    before = state(team.mine)
    run(*PROPOSE)
    assert state(team.mine) == before
    assert git("-C", str(team.origin), "diff", "--name-only", "main", BRANCH) == f"{TARGET}\n"
    assert team.id(f"{BRANCH}^") == team.id("main")


@pytest.mark.parametrize("where", ["detached", "behind"])
def test_a_request_from_an_old_commit_proposes_what_origin_has(team: Team, where: str) -> None:
    team.release(team.theirs, "1.1.0")
    if where == "detached":
        git("switch", "--quiet", "--detach")
    run(*PROPOSE)
    assert team.at(f"{BRANCH}:{TARGET}") == VERSION.replace("1.0.0", "1.1.0")
    assert team.id(f"{BRANCH}^") == team.id("main")


def test_a_target_branch_of_another_name_is_found(team: Team) -> None:
    git("-C", str(team.origin), "branch", "-m", "main", "trunk")
    git("-C", str(team.origin), "symbolic-ref", "HEAD", "refs/heads/trunk")
    git("remote", "set-head", "origin", "--delete")
    run(*PROPOSE)
    assert team.id(f"{BRANCH}^") == team.id("trunk")


def test_a_reviewers_commits_stay_and_ours_goes_on_top(team: Team) -> None:
    run(*PROPOSE)
    git("-C", str(team.theirs), "fetch", "--quiet")
    git("-C", str(team.theirs), "switch", "--quiet", BRANCH)
    reviewed = "# reviewed by theirs\n" + VERSION
    (team.theirs / TARGET).write_text(reviewed)
    (team.theirs / "notes.md").write_text("why\n")
    commit_all(team.theirs, "review")
    git("-C", str(team.theirs), "push", "--quiet")
    review = team.id(BRANCH)
    run(*PROPOSE)
    assert team.id(BRANCH) == review, "proposed already: nothing to push"
    team.release(team.mine, "1.1.0")
    run(*PROPOSE)
    assert team.at(f"{BRANCH}:{TARGET}") == reviewed.replace("1.0.0", "1.1.0")
    assert team.at(f"{BRANCH}:notes.md") == "why\n"
    git("-C", str(team.origin), "merge-base", "--is-ancestor", review, BRANCH)
    assert git("-C", str(team.origin), "merge-base", "main", BRANCH).strip() == team.id("main")


def test_a_branch_that_conflicts_elsewhere_is_refused_and_kept(team: Team) -> None:
    (team.theirs / "README").write_text("one\n")
    commit_all(team.theirs, "readme")
    git("-C", str(team.theirs), "push", "--quiet")
    run(*PROPOSE)
    git("-C", str(team.theirs), "fetch", "--quiet")
    git("-C", str(team.theirs), "switch", "--quiet", BRANCH)
    (team.theirs / "README").write_text("branch\n")
    commit_all(team.theirs, "theirs")
    git("-C", str(team.theirs), "push", "--quiet")
    tip = team.id(BRANCH)
    git("-C", str(team.theirs), "switch", "--quiet", "main")
    (team.theirs / "README").write_text("main\n")
    team.release(team.theirs, "1.1.0")
    with pytest.raises(RefusedError, match="README") as refused:
        run(*PROPOSE)
    assert f"git push origin --delete {BRANCH}" in str(refused.value)
    assert team.id(BRANCH) == tip


def test_without_a_remote_a_request_says_what_is_missing(released: Path) -> None:
    with pytest.raises(ModelctlError, match="no remote 'origin'"):
        run(*PROPOSE)


@pytest.mark.parametrize("words", [PROMOTE, PROPOSE], ids=["write", "propose"])
def test_a_dirty_source_is_not_promoted(team: Team, words: tuple[str, ...]) -> None:
    (team.mine / DEV).write_text(VERSION.replace("1.0.0", "1.1.0"))
    with pytest.raises(ModelctlError, match=f"{DEV} has uncommitted changes"):
        run(*words)
    commit_all(team.mine, "1.1.0")
    with pytest.raises(RefusedError, match=f"{DEV} was changed by commit .* which is not pushed"):
        run(*words)
    git("push", "--quiet")
    run(*words)


@pytest.mark.parametrize("words", [PROMOTE, PROPOSE], ids=["write", "propose"])
def test_a_dirty_target_is_refused(team: Team, words: tuple[str, ...]) -> None:
    (team.mine / TARGET).write_text(VERSION.replace("1.0.0", "0.9.0"))
    with pytest.raises(ModelctlError, match=f"{TARGET} has uncommitted changes"):
        run(*words)


def test_line_endings_of_the_target_survive_a_request(team: Team) -> None:
    crlf = VERSION.replace("1.0.0", "0.9.0").replace("\n", "\r\n")
    (team.theirs / TARGET).write_bytes(crlf.encode())
    commit_all(team.theirs, "crlf")
    git("-C", str(team.theirs), "push", "--quiet")
    run(*PROPOSE)
    blob = subprocess.run(
        ["git", "-C", str(team.origin), "show", f"{BRANCH}:{TARGET}"],
        check=True,
        capture_output=True,
    ).stdout
    assert blob.decode() == VERSION.replace("\n", "\r\n")


# --- where the repository is ---------------------------------------------------------------------


def as_subfolder(released: Path, folder: Path) -> Path:
    """Everything of ours below `platform/ml models` of a larger repository."""
    mono = folder / "mono repo"
    (mono / "platform").mkdir(parents=True)
    (mono / "README").write_text("everything\n")
    released.rename(mono / "platform/ml models")
    subprocess.run(["rm", "-rf", str(mono / "platform/ml models/.git")], check=True)
    git("init", "--quiet", "--initial-branch=main", str(mono))
    commit_all(mono, "start")
    return mono


@pytest.fixture
def mono(released: Path, tmp_path: Path, team: Team, monkeypatch: pytest.MonkeyPatch) -> Team:
    repository = as_subfolder(released, tmp_path)
    (tmp_path / "second").mkdir()
    result = make_team(repository, tmp_path / "second")
    monkeypatch.chdir(result.mine / "platform/ml models/environments/dev")
    return result


def test_a_subfolder_of_a_monorepo_works_from_below(mono: Team) -> None:
    inside = "platform/ml models/"
    run(*PROPOSE)
    assert mono.at(f"{BRANCH}:{inside}{TARGET}") == VERSION
    assert git("-C", str(mono.origin), "diff", "--name-only", "main", BRANCH) == (
        f"{inside}{TARGET}\n"
    )
    run(*PROMOTE)
    commit_all(mono.mine, "promoted")
    mono.release(mono.mine, "1.1.0", inside + DEV)
    run(*PROPOSE)
    assert "1.1.0" in mono.at(f"{BRANCH}:{inside}{TARGET}")
    output = run("history", "iris", "--env", "dev")
    assert [line.split()[1] for line in output.splitlines()[1:]] == ["1.1.0", "1.0.0"]
    run("rollback", "iris", "--env", "dev", "--reason", "wrong", "--no-registry")
    assert (mono.mine / inside / DEV).read_text() == VERSION
    assert "no problems" in run("check", "--base", "HEAD")
    assert "1.0.0" in run("status", "--no-live")


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_linked_worktree_and_a_submodule_work(
    kind: str, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "worktree":
        checkout = tmp_path / "linked tree"
        git("worktree", "add", "--quiet", "-b", "other", str(checkout))
    else:
        outer = tmp_path / "outer"
        git("init", "--quiet", str(outer))
        words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
        git("-C", str(outer), *words, str(team.origin), "models repo")
        checkout = outer / "models repo"
    monkeypatch.chdir(checkout / "environments")
    before = state(checkout)
    run(*PROPOSE)
    assert team.at(f"{BRANCH}:{TARGET}") == VERSION
    assert state(checkout) == before
    run(*PROMOTE)
    assert (checkout / TARGET).read_text() == VERSION


# --- a clone that is not whole or not new --------------------------------------------------------


@pytest.fixture
def shallow(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    team.release(team.theirs, "1.1.0")
    checkout = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", f"file://{team.origin}", str(checkout))
    monkeypatch.chdir(checkout)
    return checkout


NEED_HISTORY = [
    ("history", "iris", "--env", "dev"),
    ("rollback", "iris", "--env", "dev", "--reason", "x", "--no-registry"),
    ("rollback", "iris", "--env", "dev", "--reason", "x", "--no-registry", "--pull-request"),
    PROMOTE,
    PROPOSE,
    ("check", "--base", "HEAD"),
    ("diff", "--base", "HEAD"),
]


@pytest.mark.parametrize("words", NEED_HISTORY, ids=" ".join)
def test_a_shallow_clone_is_said_and_how_to_deepen_it(
    shallow: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(ModelctlError, match="shallow") as refused:
        run(*words)
    assert "git fetch --unshallow" in refused.value.fix
    git("fetch", "--quiet", "--unshallow")
    if words[0] != "diff":  # which needs Helm
        run(*words)


def test_status_of_a_shallow_clone_claims_no_age(shallow: Path) -> None:
    output = run("status", "--no-live", "--output", "json")
    assert "git fetch --unshallow" in output
    assert '"since": ""' in output
    assert '"previous": ""' in output


def test_a_bump_needs_no_history(shallow: Path) -> None:
    output = run("bump", "iris", "--env", "dev", "--pull-request")
    assert "already up to date" in output or "https://forge.example" in output


READERS = [("history", "iris", "--env", "dev"), ("status", "--no-live")]
WRITERS = [
    PROMOTE,
    ("rollback", "iris", "--env", "dev", "--to", "0.9.0", "--reason", "x", "--no-registry"),
    ("retire", "iris", "--env", "dev", "--no-live"),
]


@pytest.mark.parametrize("words", [*READERS, *WRITERS], ids=" ".join)
@pytest.mark.parametrize("remote", ["moved", "gone", "same"])
def test_a_stale_clone_is_said(team: Team, words: tuple[str, ...], remote: str) -> None:
    team.release(team.mine, "0.9.0")
    team.release(team.mine, "1.0.0")
    if remote == "moved":
        team.release(team.theirs, "1.2.0", "environments/production/iris/version.yaml")
    elif remote == "gone":
        team.origin.rename(team.origin.with_name("elsewhere"))
    output = " ".join(run(*words).split())
    assert ("origin has moved: its main is at" in output) == (remote == "moved")
    assert ("could not ask origin" in output) == (remote == "gone")


def test_an_unreachable_origin_is_said_in_plain_words(team: Team) -> None:
    """It showed the git command with all its options, after two minutes."""
    team.origin.rename(team.origin.with_name("elsewhere"))
    with pytest.raises(ModelctlError) as error:
        run(*PROMOTE, "--pull-request")
    assert error.value.what == "could not reach the remote 'origin'"
    assert "does not appear to be a git repository" in error.value.found
    assert "git ls-remote origin" in error.value.fix


def test_a_silent_origin_is_given_up_soon(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    git("remote", "set-url", "origin", "ext::sleep 60")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    monkeypatch.setattr(origin, "REACH_SECONDS", 0.5)
    with pytest.raises(ModelctlError) as error:
        run(*PROMOTE, "--pull-request")
    assert error.value.found == "no answer within 0.5 s"


# --- renames -------------------------------------------------------------------------------------


def versions(environment: str, model: str) -> list[str]:
    lines = run("history", model, "--env", environment).splitlines()[1:]
    return [line.split()[1] for line in lines]


def test_a_renamed_environment_keeps_its_history(team: Team) -> None:
    for version in ("1.1.0", "1.2.0"):
        team.release(team.mine, version, TARGET)
    git("mv", "environments/staging", "environments/stage")
    file = team.mine / "environments/environments.yaml"
    file.write_text(file.read_text().replace("- name: staging", "- name: stage"))
    commit_all(team.mine, "rename")
    assert versions("stage", "iris") == ["1.2.0", "1.2.0", "1.1.0"]
    run("rollback", "iris", "--env", "stage", "--reason", "wrong", "--no-registry")
    name = "environments/stage/iris/version.yaml"
    assert "1.1.0" in (team.mine / name).read_text()
    commit_all(team.mine, "roll back")
    releases = json.loads(run("status", "--no-live", "--output", "json"))["releases"]
    (stage,) = [one for one in releases if one["name"] == "stage-iris"]
    assert stage["version"] == "1.1.0"
    assert stage["since"] != ""


def test_a_renamed_model_keeps_its_history(team: Team) -> None:
    team.release(team.mine, "1.1.0")
    for environment in ("dev", "staging", "production"):
        git("mv", f"environments/{environment}/iris", f"environments/{environment}/flowers")
    commit_all(team.mine, "rename")
    assert versions("dev", "flowers") == ["1.1.0", "1.1.0", "1.0.0"]


def test_another_model_that_comes_as_one_goes_is_not_a_rename(team: Team) -> None:
    git("mv", "environments/dev/iris", "environments/dev/wine")
    path = team.mine / "environments/dev/wine/version.yaml"
    path.write_text(VERSION.replace("sha256:b", "sha256:c"))
    commit_all(team.mine, "iris out, wine in")
    assert versions("dev", "wine") == ["1.0.0"]


# --- coming back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--files",)], ids=["version", "files"])
def test_a_retired_model_comes_back_with_the_printed_commands(
    team: Team, options: tuple[str, ...]
) -> None:
    folder = team.mine / "environments/production/iris"
    (folder / "version.yaml").write_text(VERSION)
    commit_all(team.mine, "release in production")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    output = run("retire", "iris", "--env", "production", "--no-live", *options)
    commit_all(team.mine, "retire")
    assert not (folder / "version.yaml").exists()
    lines = output.split("to bring it back as it was, then push:\n")[1].splitlines()
    for line in lines:
        subprocess.run(shlex.split(line), check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert git("status", "--porcelain") == ""
    assert "no problems" in run("check", "--base", "HEAD~1")


@pytest.mark.parametrize(
    ("words", "branch", "shown"),
    [
        (("retire", "iris", "--env", "dev", "--no-live"), "retire/dev-iris", "deleted file"),
        (
            ("freeze", "dev", "--until", "2999-01-01", "--reason", "inventory"),
            "freeze/dev",
            "inventory",
        ),
        (
            ("freeze", "dev/iris", "--until", "2999-01-01", "--reason", "inventory"),
            "freeze/dev-iris",
            "inventory",
        ),
    ],
    ids=["retire", "freeze", "freeze-model"],
)
def test_other_changes_are_proposed_alike(
    team: Team, words: tuple[str, ...], branch: str, shown: str
) -> None:
    before = state(team.mine)
    assert "https://forge.example/pull/1" in run(*words, "--pull-request")
    assert shown in git("-C", str(team.origin), "diff", "main", branch)
    assert state(team.mine) == before


def test_an_unfreeze_is_proposed(team: Team) -> None:
    run("freeze", "dev", "--until", "2999-01-01", "--reason", "inventory")
    commit_all(team.mine, "freeze")
    git("push", "--quiet")
    run("unfreeze", "dev", "--pull-request")
    assert "freezes" not in team.at("unfreeze/dev:environments/environments.yaml")
