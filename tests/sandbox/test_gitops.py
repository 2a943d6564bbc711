"""The repositories of the sandbox, with real git: what is merged, and what is never touched."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.gitops import BRANCH, GitOps


def git(folder: Path, *words: str) -> str:
    argv = ["git", "-c", "user.name=User", "-c", "user.email=user@example.com", *words]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, name: str, text: str, message: str = "change") -> str:
    (folder / name).write_text(text)
    git(folder, "add", name)
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD").strip()


def push_from_elsewhere(gitops: GitOps, clone: Path) -> None:
    """Somebody else's commit, which the worktree has not seen."""
    git(clone.parent, "clone", "-q", str(gitops.bare), str(clone))
    commit(clone, "pushed.txt", "hello\n")
    git(clone, "push", "-q", "origin", BRANCH)


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file of the user's repository, .git included and ours not, with its hash."""
    ours = folder / ".sandbox"
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and ours not in path.parents
    )
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(autouse=True)
def _no_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who has configured nothing at all."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, ".gitignore", "/.sandbox/\n")
    commit(folder, "settings.yaml", "level: info\n", "first")
    return folder


@pytest.fixture
def gitops(project: Path) -> GitOps:
    """Ours lie inside the user's repository, as they do for users."""
    home = project / ".sandbox"
    return GitOps(project, home / "gitops.git", home / "gitops", home / "gitconfig")


def test_prepare_puts_the_users_head_on_the_branch_that_argo_cd_watches(
    gitops: GitOps, project: Path
) -> None:
    head = git(project, "rev-parse", "HEAD").strip()
    assert gitops.prepare() == f"created from main at {head[:9]}"
    assert git(gitops.bare, "rev-parse", BRANCH).strip() == head
    assert (gitops.worktree / "settings.yaml").read_text() == "level: info\n"


def test_prepare_never_touches_the_users_repository(gitops: GitOps, project: Path) -> None:
    (project / "staged.txt").write_text("staged\n")
    git(project, "add", "staged.txt")
    # Same size, newer time: `git status` would write this into the index.
    (project / "settings.yaml").write_text("level: warn\n")
    before = fingerprint(project)
    gitops.prepare()
    commit(gitops.worktree, "version.yaml", "tag: a\n")
    gitops.push()
    gitops.prepare()
    assert gitops.uncommitted() == ["settings.yaml", "staged.txt"]
    assert fingerprint(project) == before


def test_prepare_merges_a_new_head_with_what_was_released_meanwhile(
    gitops: GitOps, project: Path
) -> None:
    gitops.prepare()
    (gitops.worktree / "version.yaml").write_text("tag: a\n")
    assert gitops.commit(["version.yaml"], "Release iris")
    head = commit(project, "settings.yaml", "level: debug\n")
    assert gitops.prepare() == f"main at {head[:9]} merged"
    assert git(gitops.bare, "show", f"{BRANCH}:settings.yaml") == "level: debug\n"
    assert git(gitops.bare, "show", f"{BRANCH}:version.yaml") == "tag: a\n"
    subject = git(gitops.bare, "log", "-1", "--format=%s %an", BRANCH).strip()
    assert subject == f"Merge main at {head[:9]} into sandbox ml-model sandbox"


def test_prepare_changes_nothing_when_the_head_is_in_already(gitops: GitOps) -> None:
    gitops.prepare()
    (gitops.worktree / "version.yaml").write_text("tag: a\n")
    gitops.commit(["version.yaml"], "Release iris")
    gitops.push()
    before = git(gitops.bare, "rev-parse", BRANCH)
    assert gitops.prepare().endswith("already up to date")
    assert git(gitops.bare, "rev-parse", BRANCH) == before


def test_prepare_takes_over_what_somebody_pushed(gitops: GitOps, tmp_path: Path) -> None:
    gitops.prepare()
    push_from_elsewhere(gitops, tmp_path / "other")
    gitops.prepare()
    assert (gitops.worktree / "pushed.txt").read_text() == "hello\n"


def test_prepare_stops_at_a_conflict_and_says_what_to_do(gitops: GitOps, project: Path) -> None:
    gitops.prepare()
    commit(gitops.worktree, "settings.yaml", "level: warning\n")
    gitops.push()
    pushed = git(gitops.bare, "rev-parse", BRANCH)
    head = commit(project, "settings.yaml", "level: debug\n")
    with pytest.raises(SandboxError) as caught:
        gitops.prepare()
    assert caught.value.what == "cannot merge your HEAD into the branch sandbox"
    assert caught.value.found == "conflicts in settings.yaml"
    assert caught.value.fix == (
        f"in {gitops.worktree}, run `git merge {head[:12]}`, resolve the conflicts, then "
        "`git commit` and `git push`; run `make up` again. Nothing has been changed so far"
    )
    assert git(gitops.bare, "rev-parse", BRANCH) == pushed
    assert git(gitops.worktree, "status", "--porcelain") == ""


def test_prepare_goes_on_after_the_conflict_was_resolved_as_told(
    gitops: GitOps, project: Path
) -> None:
    gitops.prepare()
    commit(gitops.worktree, "settings.yaml", "level: warning\n")
    head = commit(project, "settings.yaml", "level: debug\n")
    with pytest.raises(SandboxError):
        gitops.prepare()
    with pytest.raises(subprocess.CalledProcessError):
        git(gitops.worktree, "merge", head[:12])
    with pytest.raises(SandboxError, match="cannot merge your HEAD into /") as unfinished:
        gitops.prepare()
    assert unfinished.value.found == "an unfinished merge"
    commit(gitops.worktree, "settings.yaml", "level: error\n")
    git(gitops.worktree, "push", "-q")
    gitops.prepare()
    assert git(gitops.bare, "show", f"{BRANCH}:settings.yaml") == "level: error\n"


def test_prepare_makes_again_what_was_deleted_or_half_made(gitops: GitOps) -> None:
    gitops.prepare()
    (gitops.worktree / "version.yaml").write_text("tag: a\n")
    gitops.commit(["version.yaml"], "Release iris")
    gitops.push()
    shutil.rmtree(gitops.worktree)
    half = gitops.worktree.with_name("gitops.partial")
    (half / ".git").mkdir(parents=True)
    gitops.prepare()
    assert (gitops.worktree / "version.yaml").read_text() == "tag: a\n"
    assert not half.exists()
    shutil.rmtree(gitops.bare / "refs")
    gitops.prepare()
    assert gitops.pushed() == gitops.head()


def test_a_broken_worktree_never_lets_git_work_in_the_users_repository(
    gitops: GitOps, project: Path
) -> None:
    gitops.prepare()
    commit(project, "settings.yaml", "level: debug\n")
    (gitops.worktree / ".git" / "HEAD").unlink()
    before = fingerprint(project)
    with pytest.raises(SandboxError) as caught:
        gitops.prepare()
    assert "not a git repository" in str(caught.value)
    assert fingerprint(project) == before


def test_prepare_refuses_a_worktree_on_another_branch(gitops: GitOps) -> None:
    gitops.prepare()
    git(gitops.worktree, "checkout", "-qb", "experiment")
    with pytest.raises(SandboxError) as caught:
        gitops.prepare()
    assert caught.value.found == "branch experiment"
    assert caught.value.fix == f"run `git -C {gitops.worktree} checkout sandbox`"


def test_prepare_refuses_a_project_without_a_commit(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    gitops = GitOps(empty, tmp_path / "b.git", tmp_path / "w", tmp_path / "config")
    with pytest.raises(SandboxError, match="nothing to deploy"):
        gitops.prepare()
    assert not gitops.bare.exists()


def test_a_shallow_project_gets_a_history_that_argo_cd_can_fetch(
    gitops: GitOps, project: Path, tmp_path: Path
) -> None:
    commit(project, "settings.yaml", "level: debug\n")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{project}", str(shallow))
    ours = GitOps(shallow, gitops.bare, gitops.worktree, gitops.config)
    ours.prepare()
    commit(gitops.worktree, "version.yaml", "tag: a\n")
    first = ours.head()
    ours.prepare()
    assert ours.head() == first
    commit(shallow, "settings.yaml", "level: warning\n")
    ours.prepare()
    reader = tmp_path / "reader"
    git(tmp_path, "init", "-q", str(reader))
    git(reader, "fetch", "-q", gitops.url, BRANCH)
    assert git(reader, "show", "FETCH_HEAD:settings.yaml") == "level: warning\n"
    assert git(reader, "show", "FETCH_HEAD:version.yaml") == "tag: a\n"


def test_commit_leaves_the_users_other_changes_alone(gitops: GitOps) -> None:
    gitops.prepare()
    (gitops.worktree / "settings.yaml").write_text("level: debug\n")
    (gitops.worktree / "version.yaml").write_text("tag: a\n")
    assert gitops.commit(["version.yaml"], "Release iris")
    assert not gitops.commit(["version.yaml"], "Release iris again")
    assert git(gitops.worktree, "status", "--porcelain") == " M settings.yaml\n"


def test_the_user_may_commit_in_the_worktree_without_an_identity(gitops: GitOps) -> None:
    gitops.prepare()
    (gitops.worktree / "settings.yaml").write_text("level: debug\n")
    for words in (["commit", "-qam", "Log more"], ["push", "-q"]):
        subprocess.run(["git", *words], cwd=gitops.worktree, check=True)
    assert git(gitops.bare, "log", "-1", "--format=%s", BRANCH).strip() == "Log more"


def test_push_refuses_when_somebody_pushed_in_between(gitops: GitOps, tmp_path: Path) -> None:
    gitops.prepare()
    push_from_elsewhere(gitops, tmp_path / "other")
    commit(gitops.worktree, "mine.txt", "mine\n")
    with pytest.raises(SandboxError, match="cannot push the branch sandbox"):
        gitops.push()
    assert git(gitops.bare, "show", f"{BRANCH}:pushed.txt") == "hello\n"


def test_git_ignores_the_redirections_of_a_hook(
    gitops: GitOps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    gitops.prepare()
    assert not (tmp_path / "elsewhere").exists()
    assert (gitops.worktree / "settings.yaml").exists()


def test_export_writes_committed_files_only(gitops: GitOps, tmp_path: Path) -> None:
    gitops.prepare()
    (gitops.worktree / "settings.yaml").write_text("level: dirty\n")
    target = tmp_path / "context"
    target.mkdir()
    (target / "stale.txt").write_text("stale\n")
    gitops.export(["settings.yaml"], target)
    assert (target / "settings.yaml").read_text() == "level: info\n"
    assert [path.name for path in target.iterdir()] == ["settings.yaml"]
    before = gitops.head()
    assert gitops.commit(["settings.yaml"], "dirty")
    gitops.export(["settings.yaml"], target, before)
    assert (target / "settings.yaml").read_text() == "level: info\n"


def test_object_id_changes_with_the_content_and_is_empty_for_nothing(
    gitops: GitOps, project: Path
) -> None:
    gitops.prepare()
    before = gitops.object_id("settings.yaml")
    commit(project, "settings.yaml", "level: debug\n")
    gitops.prepare()
    assert len(before) == 40
    assert gitops.object_id("settings.yaml") not in ("", before)
    assert gitops.object_id("absent") == ""


def test_a_linked_worktree_of_the_user_is_a_project_too(project: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(project, "worktree", "add", "-q", "-b", "feature", str(linked))
    head = commit(linked, "settings.yaml", "level: debug\n")
    gitops = GitOps(linked, tmp_path / "b.git", tmp_path / "w", tmp_path / "config")
    assert gitops.prepare() == f"created from feature at {head[:9]}"
