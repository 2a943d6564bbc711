"""The repository that Argo CD watches: a bare one, and a clone of it on the branch `sandbox`.

The user's own repository is only ever read: its branch, index, files and configuration stay as
they are. Their HEAD is merged into the branch `sandbox`, never forced.
Must not know what is committed there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import git as identity
from sandbox.errors import SandboxError
from sandbox.git import Git
from sandbox.proc import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.layout import Layout

BRANCH = "sandbox"
# Commits with the files of a shallow project; see `_snapshot`.
_UPSTREAM = "refs/sandbox/upstream"


@dataclass(frozen=True)
class GitOps:
    """The three repositories: the user's `project`, the `bare` one, its clone `worktree`."""

    project: Path
    bare: Path
    worktree: Path
    config: Path

    @property
    def url(self) -> str:
        """The address that Argo CD watches."""
        return f"file://{self.bare}"

    @property
    def git(self) -> Git:
        """git in the worktree."""
        return Git(self.worktree, self.config)

    @property
    def project_git(self) -> Git:
        """git in the user's project; for reading only."""
        return Git(self.project, self.config)

    def prepare(self) -> str:
        """Create the repositories, merge the user's HEAD and push; return a summary.

        Raises SandboxError when the project has no commit, when the worktree is not ready to
        merge, and for a conflict, after which the worktree is unchanged.
        """
        head, name = self._project_head()
        self._make_repositories()
        self._require_mergeable_worktree()
        self.git("fetch", "origin")
        if self.git.succeeds("rev-parse", "--verify", "--quiet", f"origin/{BRANCH}"):
            self._merge(f"origin/{BRANCH}", f"Merge pushed commits of {BRANCH}")
        commit = self._fetch(head)
        before = self.head() if self._has_commits() else ""
        self._merge(commit, f"Merge {name} at {head[:9]} into {BRANCH}")
        self.push()
        if not before:
            return f"created from {name} at {head[:9]}"
        return f"{name} at {head[:9]} " + (
            "merged" if self.head() != before else "already up to date"
        )

    def uncommitted(self) -> list[str]:
        """Return the paths in the user's project that are not committed."""
        lines = self.project_git("status", "--porcelain").stdout.splitlines()
        return [line[3:] for line in lines]

    def head(self) -> str:
        """Return the commit of the worktree."""
        return self.git.line("rev-parse", "HEAD")

    def pushed(self) -> str:
        """Return the commit that Argo CD sees."""
        return Git(self.bare, self.config).line("rev-parse", f"refs/heads/{BRANCH}")

    def object_id(self, path: str) -> str:
        """Return git's hash of the committed file or folder `path`; empty when there is none."""
        result = self.git("rev-parse", "--verify", "--quiet", f"HEAD:{path}", check=False)
        return result.stdout.strip()

    def ever_contained(self, path: str, text: str) -> bool:
        """Return whether any commit of the branch put `text` into the file `path`."""
        return bool(self.git.line("log", "-1", "--format=%H", f"-S{text}", "--", path))

    def export(self, paths: Sequence[str], target: Path, commit: str = "HEAD") -> None:
        """Write the committed `paths` into the new folder `target`. Raises CommandError."""
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        archive = target.with_name(f"{target.name}.tar")
        self.git("archive", f"--output={archive}", commit, "--", *paths)
        run(["tar", "--extract", f"--file={archive}", f"--directory={target}"])
        archive.unlink()

    def commit(self, paths: Sequence[str], message: str) -> bool:
        """Commit `paths` and nothing else; return whether they had changed."""
        self.git("add", "--", *paths)
        if self.git.succeeds("diff", "--cached", "--quiet", "--", *paths):
            return False
        self.git("commit", "--quiet", "-m", message, "--", *paths)
        return True

    def push(self) -> None:
        """Push the branch without force. Raises SandboxError when somebody pushed in between."""
        pushed = self.git("push", "--set-upstream", "origin", BRANCH, check=False)
        if pushed.code != 0:
            raise SandboxError(
                f"cannot push the branch {BRANCH}",
                found=f"git push in {self.worktree} was refused",
                expected="a fast-forward",
                fix="run `make up` again; it merges pushed commits",
                details=pushed.stderr,
            )

    def _project_head(self) -> tuple[str, str]:
        """Return the user's commit and the name of their branch."""
        result = self.project_git("rev-parse", "--verify", "HEAD^{commit}", check=False)
        if result.code != 0:
            raise SandboxError(
                "nothing to deploy",
                found=result.stderr.strip() or f"no commit in {self.project}",
                expected="a git repository with a commit",
                fix="run `git init && git add . && git commit -m 'First commit'`",
            )
        branch = self.project_git.line("rev-parse", "--abbrev-ref", "HEAD")
        return result.stdout.strip(), "a detached HEAD" if branch == "HEAD" else branch

    def _make_repositories(self) -> None:
        if not Git(self.bare, self.config).succeeds("rev-parse", "--is-bare-repository"):
            self.bare.mkdir(parents=True, exist_ok=True)
            self.git.run(["git", "init", "--quiet", "--bare", f"-b{BRANCH}", str(self.bare)])
        if not (self.worktree / ".git").exists():
            # Renamed when complete, so that a killed clone is discarded and never used.
            partial = self.worktree.with_name(f"{self.worktree.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            self.git.run(["git", "clone", "--quiet", str(self.bare), str(partial)])
            partial.replace(self.worktree)
            # Only for a user without an identity: else theirs is used when they commit here.
            identity_set = run(["git", "config", "--global", "user.email"], check=False)
            if identity_set.code != 0:
                self.git("config", "user.name", identity.NAME)
                self.git("config", "user.email", identity.EMAIL)

    def _require_mergeable_worktree(self) -> None:
        branch = self.git.line("symbolic-ref", "--quiet", "--short", "HEAD")
        merging = (self.worktree / ".git" / "MERGE_HEAD").exists()
        if branch == BRANCH and not merging:
            return
        raise SandboxError(
            f"cannot merge your HEAD into {self.worktree}",
            found="an unfinished merge" if merging else f"branch {branch}",
            expected=f"branch {BRANCH} without an unfinished merge",
            fix=f"in {self.worktree}, run `git commit` or `git merge --abort`"
            if merging
            else f"run `git -C {self.worktree} checkout {BRANCH}`",
        )

    def _fetch(self, head: str) -> str:
        if self.project_git.line("rev-parse", "--is-shallow-repository") == "true":
            self.git("fetch", "--quiet", "--no-tags", "--update-shallow", self.project, "HEAD")
            return self._snapshot(head)
        self.git("fetch", "--quiet", "--no-tags", self.project, "HEAD")
        return head

    def _snapshot(self, head: str) -> str:
        """Return a commit with the files of `head` and a history that we write.

        Argo CD cannot fetch a truncated history (the shallow clone of a CI job), so each state of
        such a project becomes a commit on top of the one before.
        """
        known = self.git("rev-parse", "--verify", "--quiet", _UPSTREAM, check=False).stdout.strip()
        if known and self.git.succeeds("diff", "--quiet", known, head):
            return known
        parent = ["-p", known] if known else []
        message = f"Project at {head[:9]}"
        commit = self.git.line("commit-tree", f"{head}^{{tree}}", *parent, "-m", message)
        self.git("update-ref", _UPSTREAM, commit)
        return commit

    def _has_commits(self) -> bool:
        return self.git.succeeds("rev-parse", "--verify", "--quiet", "HEAD")

    def _merge(self, commit: str, message: str) -> None:
        if not self._has_commits():
            self.git("reset", "--quiet", "--hard", commit)
            return
        merged = self.git("merge", "--no-edit", "-m", message, commit, check=False)
        if merged.code == 0:
            return
        conflicts = self.git.line("diff", "--name-only", "--diff-filter=U").splitlines()
        if conflicts:
            self.git("merge", "--abort")
        raise SandboxError(
            f"cannot merge your HEAD into the branch {BRANCH}",
            found=f"conflicts in {', '.join(conflicts)}" if conflicts else "git merge refused",
            expected="changes that git can merge",
            fix=f"in {self.worktree}, run `git merge {commit[:12]}`, resolve the conflicts, then"
            " `git commit` and `git push`; run `make up` again. Nothing has been changed so far",
            details=merged.stdout + merged.stderr,
        )


def open_gitops(layout: Layout) -> GitOps:
    """Return the repositories of the sandbox; they need not exist yet."""
    home = layout.home
    return GitOps(layout.root, home / "gitops.git", home / "gitops", home / "gitconfig")
