"""The few questions that modelctl asks git."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Commit:
    """One commit that touched a file; `when` is its committer date in ISO 8601."""

    id: str
    when: str
    author: str
    subject: str


def git(root: Path, *arguments: str) -> str:
    """Run git in `root` and return what it printed; a failure shows its own words."""
    return proc.run(["git", "-C", str(root), *arguments])


def refuse_dirty(root: Path, path: Path) -> None:
    """Refuse to edit a file that has changes which are not committed: they would be mixed in."""
    name = str(path.relative_to(root))
    if git(root, "status", "--porcelain", "--", name):
        raise ModelctlError(
            f"{name} has changes that are not committed",
            fix=f"commit them, or drop them with `git checkout -- {name}`",
        )


def commits_of(root: Path, path: Path, until: str = "HEAD") -> list[Commit]:
    """The commits up to `until` that changed a file, newest first, by first parents of merges."""
    text = git(
        root,
        *("log", "--first-parent", "--format=%H%x1f%cI%x1f%an%x1f%s", until),
        *("--", str(path.relative_to(root))),
    )
    return [Commit(*line.split("\x1f")) for line in text.splitlines()]


def text_at(root: Path, commit: str, path: Path) -> str | None:
    """A file as it was in a commit; None when it was not there."""
    name = str(path.relative_to(root))
    if not git(root, "ls-tree", "--name-only", commit, "--", name):
        return None
    return git(root, "show", f"{commit}:{name}")


def changed_since(root: Path, commit: str, paths: tuple[str, ...]) -> list[str]:
    """The files below `paths` that differ from a commit, those that git does not know included."""
    differ = git(root, "diff", "--name-only", "--relative", commit, "--", *paths)
    unknown = git(root, "ls-files", "--others", "--exclude-standard", "--", *paths)
    return sorted({*differ.splitlines(), *unknown.splitlines()})


def merge_base(root: Path, commit: str) -> str:
    """Where the checkout's branch left that of `commit`: what happened there since is not ours."""
    return git(root, "merge-base", commit, "HEAD").strip()


def export(root: Path, commit: str, paths: tuple[str, ...], archive: Path) -> None:
    """Write those of `paths` that a commit has as a tar archive."""
    there = git(root, "ls-tree", "--name-only", commit, "--", *paths).splitlines()
    git(root, "archive", f"--output={archive}", commit, "--", *there)
