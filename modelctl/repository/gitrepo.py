"""The git commands that modelctl runs."""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelctl import proc
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    parents: str = ""  # separated by spaces


# What a user may have configured for reading: colours, quoted names, signatures, other formats.
PLAIN = (
    *("-c", "color.ui=never", "-c", "core.quotePath=false"),
    *("-c", "log.showSignature=false", "-c", "diff.noprefix=false"),
)
FORMAT = "%H%x1f%cI%x1f%an%x1f%s%x1f%P"


def git(root: Path, *arguments: str, **options: Any) -> str:
    """Run git in `root` and return its stdout; raises CommandError with its stderr.

    `options` are those of `proc.run`.
    """
    return proc.run(["git", "-C", str(root), *PLAIN, *arguments], **options)


def is_shallow(root: Path) -> bool:
    """Whether the history of the clone is cut off: what is missing looks as if it never was."""
    return git(root, "rev-parse", "--is-shallow-repository").strip() == "true"


def require_full_history(root: Path) -> None:
    """Raise ModelctlError in a shallow clone: an answer from a part of history may be wrong."""
    if is_shallow(root):
        raise ModelctlError(
            "this clone is shallow: its git history is cut off",
            expected="the whole history, which says what was released where, and since when",
            fix=UNSHALLOW,
        )


UNSHALLOW = "git fetch --unshallow (in a workflow: `fetch-depth: 0` of checkout, or `GIT_DEPTH: 0`)"


def require_clean(root: Path, path: Path) -> None:
    """Raise ModelctlError for a file with uncommitted changes: an edit would mix with them."""
    name = str(path.relative_to(root))
    state = git(root, "status", "--porcelain", "--", name)
    if state:
        discard = (
            "git clean --force" if state.startswith("??") else "git restore --staged --worktree"
        )
        raise ModelctlError(
            f"{name} has uncommitted changes",
            fix=f"commit them, or discard them with `{discard} -- {shlex.quote(name)}`",
        )


def commits_of(root: Path, path: Path, until: str = "HEAD") -> list[Commit]:
    """The commits up to `until` that changed a file, newest first, following first parents."""
    text = git(
        root,
        *("log", "--first-parent", f"--format={FORMAT}", until),
        *("--", str(path.relative_to(root))),
    )
    return [Commit(*line.split("\x1f")) for line in text.split("\n") if line]


def newest_commit(root: Path, paths: Sequence[str], until: str) -> Commit | None:
    """The newest commit up to `until` that changed one of the paths, following first parents."""
    options = ("--first-parent", "--max-count=1", f"--format={FORMAT}")
    text = git(root, "log", *options, until, "--", *paths).strip("\n")
    return Commit(*text.split("\x1f")) if text else None


def commits_of_each(root: Path, pattern: str) -> dict[str, list[tuple[Commit, str]]]:
    """The commits that changed each file matching a pattern, newest first, by one git process.

    Each with `A`, `M` or `D` for a file that it adds, changes or removes.
    """
    text = git(
        root,
        *("log", "--first-parent", "--diff-merges=first-parent", "--name-status", "--relative"),
        *("--no-renames", f"--format=%x1e{FORMAT}", "HEAD", "--", f":(glob){pattern}"),
    )
    commits: dict[str, list[tuple[Commit, str]]] = {}
    for record in text.split("\x1e")[1:]:
        head, *lines = record.split("\n")
        commit = Commit(*head.split("\x1f"))
        for line in filter(None, lines):
            status, _, name = line.partition("\t")
            commits.setdefault(name, []).append((commit, status))
    return commits


def removed_files(root: Path, commit: Commit, pattern: str) -> list[str]:
    """The files matching a pattern that a commit removes, compared with its first parent."""
    if not commit.parents:
        return []
    text = git(
        root,
        *("diff-tree", "-r", "--no-renames", "--name-only", "--diff-filter=D", "--relative"),
        *(f"{commit.id}^1", commit.id, "--", f":(glob){pattern}"),
    )
    return text.splitlines()


def trailers(root: Path, commit: str, key: str) -> list[str]:
    """The values of a trailer in a commit's message, and in those that a merge brought."""
    parent = resolve(root, f"{commit}^1")
    commits = f"{parent}..{commit}" if parent else commit
    text = git(root, "log", f"--format=%(trailers:key={key},valueonly,unfold)", commits)
    return list(filter(None, map(str.strip, text.splitlines())))


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
    return git(root, "show", f"{commit}:./{name}")


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


def commits_since(root: Path, commit: str, until: str, most: int) -> list[str]:
    """The newest commits of a branch from a commit on, newest first, following first parents."""
    options = ("--first-parent", f"--max-count={most}")
    return git(root, "rev-list", *options, until, "--not", f"{commit}^@").split()


def merge_base(root: Path, commit: str) -> str:
    """The merge base of HEAD and `commit`: later changes on that branch are not part of ours.

    Raises ModelctlError in a shallow clone, where the nearest one may be missing.
    """
    require_full_history(root)
    return git(root, "merge-base", commit, "HEAD").strip()


def resolve(root: Path, name: str) -> str:
    """The id of the commit that a name, a tag or the first digits stand for; empty if none."""
    # What begins with a dash would be an option.
    words = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    try:
        return git(root, *words).strip()
    except proc.CommandError:
        return ""


def contains(root: Path, commit: str, other: str) -> bool:
    """Whether `other` is a commit of this clone, and `commit` is based on it."""
    try:
        git(root, "merge-base", "--is-ancestor", other, commit)
    except proc.CommandError:
        return False
    return True


def ancestors_of(root: Path, commit: str) -> set[str]:
    """A commit and all before it."""
    return set(git(root, "rev-list", commit).split())
