"""The few questions that modelctl asks git."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

# What git says, between two records, of a file that a commit does not have.
_MISSING = re.compile(r"(?:^[0-9a-f]{40}:\./[^\n]* missing\n)+\Z", re.MULTILINE)


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


def require_clean(root: Path, path: Path) -> None:
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


def commits_of_each(root: Path, pattern: str) -> dict[str, list[Commit]]:
    """The commits that changed each file below a pattern, newest first, in one question."""
    text = git(
        root,
        *("log", "--first-parent", "--diff-merges=first-parent", "--name-only", "--relative"),
        *("--format=%x1e%H%x1f%cI%x1f%an%x1f%s", "HEAD", "--", f":(glob){pattern}"),
    )
    found: dict[str, list[Commit]] = {}
    for record in text.split("\x1e")[1:]:
        head, *names = record.splitlines()
        commit = Commit(*head.split("\x1f"))
        for name in filter(None, names):
            found.setdefault(name, []).append(commit)
    return found


def texts_at(root: Path, places: list[tuple[str, str]]) -> list[str | None]:
    """Many files, each as it was in a commit (commit, name); None where it was not there.

    One git process answers all. A record begins with a character that no YAML file may hold.
    """
    argv = ["git", "-C", str(root), "cat-file", "--batch=\x1e%(rest)"]
    questions = [f"{commit}:./{name} {i}\n" for i, (commit, name) in enumerate(places)]
    found: list[str | None] = [None] * len(places)
    for record in proc.run(argv, stdin="".join(questions)).split("\x1e")[1:]:
        index, _, text = record.partition("\n")
        found[int(index)] = _MISSING.sub("", text).removesuffix("\n")
    return found


def text_at(root: Path, commit: str, path: Path) -> str | None:
    """A file as it was in a commit; None when it was not there."""
    name = str(path.relative_to(root))
    if not git(root, "ls-tree", "--name-only", commit, "--", name):
        return None
    return git(root, "show", f"{commit}:{name}")


def changed_since(root: Path, commit: str, paths: tuple[str, ...]) -> list[str]:
    """The files below `paths` that differ from a commit, those that git does not know included."""
    questions = (
        ("diff", "--name-only", "--relative", commit, "--", *paths),
        ("ls-files", "--others", "--exclude-standard", "--", *paths),
    )
    # Each looks at every file there is, which takes its time where there are many: both at once.
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda words: git(root, *words), questions)
        return sorted({name for answer in answers for name in answer.splitlines()})


def merge_base(root: Path, commit: str) -> str:
    """Where the checkout's branch left that of `commit`: what happened there since is not ours."""
    return git(root, "merge-base", commit, "HEAD").strip()


def export(root: Path, commit: str, paths: tuple[str, ...], archive: Path) -> None:
    """Write those of `paths` that a commit has as a tar archive."""
    there = git(root, "ls-tree", "--name-only", commit, "--", *paths).splitlines()
    git(root, "archive", f"--output={archive}", commit, "--", *there)
