"""The git commands that modelctl runs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

# What `git cat-file --batch` prints between two records for a file that the commit lacks.
_MISSING = re.compile(r"(?:^[0-9a-f]{40}:\./[^\n]* missing\n)+\Z", re.MULTILINE)


@dataclass(frozen=True)
class Commit:
    """One commit that touched a file; `when` is its committer date in ISO 8601."""

    id: str
    when: str
    author: str
    subject: str


def git(root: Path, *arguments: str) -> str:
    """Run git in `root` and return its stdout; raises CommandError with its stderr."""
    return proc.run(["git", "-C", str(root), *arguments])


def require_clean(root: Path, path: Path) -> None:
    """Raise ModelctlError for a file with uncommitted changes: an edit would mix with them."""
    name = str(path.relative_to(root))
    if git(root, "status", "--porcelain", "--", name):
        raise ModelctlError(
            f"{name} has uncommitted changes",
            fix=f"commit them, or discard them with `git checkout -- {name}`",
        )


def commits_of(root: Path, path: Path, until: str = "HEAD") -> list[Commit]:
    """The commits up to `until` that changed a file, newest first, following first parents."""
    text = git(
        root,
        *("log", "--first-parent", "--format=%H%x1f%cI%x1f%an%x1f%s", until),
        *("--", str(path.relative_to(root))),
    )
    return [Commit(*line.split("\x1f")) for line in text.splitlines()]


def commits_of_each(root: Path, pattern: str) -> dict[str, list[Commit]]:
    """The commits that changed each file matching a pattern, newest first, by one git process."""
    text = git(
        root,
        *("log", "--first-parent", "--diff-merges=first-parent", "--name-only", "--relative"),
        *("--format=%x1e%H%x1f%cI%x1f%an%x1f%s", "HEAD", "--", f":(glob){pattern}"),
    )
    commits: dict[str, list[Commit]] = {}
    for record in text.split("\x1e")[1:]:
        head, *names = record.splitlines()
        commit = Commit(*head.split("\x1f"))
        for name in filter(None, names):
            commits.setdefault(name, []).append(commit)
    return commits


def texts_at(root: Path, revisions: list[tuple[str, str]]) -> list[str | None]:
    """The content of many files, each a pair (commit, name); None for a file that is missing.

    One git process reads all. A record begins with a character that no YAML file may contain.
    """
    argv = ["git", "-C", str(root), "cat-file", "--batch=\x1e%(rest)"]
    queries = [f"{commit}:./{name} {i}\n" for i, (commit, name) in enumerate(revisions)]
    texts: list[str | None] = [None] * len(revisions)
    for record in proc.run(argv, stdin="".join(queries)).split("\x1e")[1:]:
        index, _, text = record.partition("\n")
        texts[int(index)] = _MISSING.sub("", text).removesuffix("\n")
    return texts


def text_at(root: Path, commit: str, path: Path) -> str | None:
    """The content of a file in a commit; None if it is missing."""
    name = str(path.relative_to(root))
    if not git(root, "ls-tree", "--name-only", commit, "--", name):
        return None
    return git(root, "show", f"{commit}:{name}")


def changed_since(root: Path, commit: str, paths: tuple[str, ...]) -> list[str]:
    """The files below `paths` that differ from a commit, untracked files included."""
    queries = (
        # A rename would name the new place alone, and quote what is not ASCII.
        ("diff", "-z", "--no-renames", "--name-only", "--relative", commit, "--", *paths),
        ("ls-files", "-z", "--others", "--exclude-standard", "--", *paths),
    )
    # Each visits every file, which is slow in a large checkout: run both in parallel.
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda arguments: git(root, *arguments), queries)
        return sorted({name for answer in answers for name in answer.split("\0") if name})


def find_commit(root: Path, name: str) -> str | None:
    """The full name of a commit that is in this clone, else None."""
    try:
        # What begins with a dash would be an option.
        found = git(
            root, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"
        )
    except proc.CommandError:
        return None
    return found.strip()


def merge_base(root: Path, commit: str) -> str:
    """The merge base of HEAD and `commit`: later changes on that branch are not part of ours."""
    return git(root, "merge-base", commit, "HEAD").strip()


def export(root: Path, commit: str, paths: tuple[str, ...], archive: Path) -> None:
    """Write those of `paths` that exist in a commit as a tar archive."""
    existing = git(root, "ls-tree", "--name-only", commit, "--", *paths).splitlines()
    git(root, "archive", f"--output={archive}", commit, "--", *existing)
