"""Check the messages of this branch's commits against Conventional Commits (CONTRIBUTING.md).

    BASE=origin/main .venv/bin/python -m tests.github.commits

Checks the commits that HEAD has and BASE has not; without BASE, those that origin/main has not.
Where BASE is gone and HEAD is origin/main itself, nobody knows which are new: all are checked.
Never checked: merges, what is older than this file, and commits of nothing but environments/,
whose messages modelctl writes. Must not know how the commits reach the main branch.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT
from tests.runner import base as bases

# The commit that adds this file starts the rule.
RULE = "tests/github/commits.py"
TYPES = (
    "build",
    "chore",
    "ci",
    "docs",
    "feat",
    "fix",
    "perf",
    "refactor",
    "revert",
    "style",
    "test",
)
SUBJECT = re.compile(rf"(?:{'|'.join(TYPES)})(?:\([a-z0-9][a-z0-9._/,-]*\))?!?: \S")
# More is cut in `git log --oneline` and on the forge.
MAX_SUBJECT = 72
EXAMPLE = "fix(promotion): refuse merge keys in version files"


class CommitsError(Exception):
    """Git does not answer."""


@dataclass(frozen=True)
class Commit:
    """A commit and its message, as it was written."""

    digest: str
    message: str

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


def message_violations(message: str) -> list[str]:
    """Everything that is wrong with a message; empty when nothing is."""
    subject, *rest = message.rstrip("\n").split("\n")
    problems = []
    if not SUBJECT.match(subject):
        problems.append(
            f"expected `type(scope): subject`, such as `{EXAMPLE}`; types: {', '.join(TYPES)}"
        )
    # A bot names a module and a version, however long they are.
    if len(subject) > MAX_SUBJECT and "(deps)" not in subject:
        problems.append(f"expected at most {MAX_SUBJECT} characters, found {len(subject)}")
    if subject.endswith("."):
        problems.append("expected no full stop at the end of the subject")
    if rest and rest[0].strip():
        problems.append("expected a blank line between subject and body")
    return problems


@dataclass(frozen=True)
class Clone:
    """The clone whose commits are checked."""

    root: Path

    def git(self, *arguments: str) -> str:
        """What git answers, without the newline at the end. Raises CommitsError."""
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True
        )
        if done.returncode:
            raise CommitsError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def is_shallow(self) -> bool:
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def since(self, name: str | None) -> list[Commit]:
        """The commits to check, newest first, where the base has this name. Raises CommitsError."""
        base = bases.named(self.root, name)
        if base is None:
            base = bases.fork_point(self.root)
            if name and base == self.git("rev-parse", "HEAD"):
                base = None
        # In a shallow clone these are also the commits that it ends with.
        starts = self.git("log", "--diff-filter=A", "--format=%H", "--", RULE).split()
        if not starts:
            return []
        excluded = [f"^{name}" for name in (*starts, *([base] if base else []))]
        listed = self.git("log", "-z", "--no-merges", "--format=%H%n%B", "HEAD", *excluded)
        pairs = (entry.partition("\n") for entry in listed.split("\0") if entry)
        return [Commit(digest, message) for digest, _, message in pairs]

    def only_environments(self, commit: Commit) -> bool:
        """Whether a commit changes nothing but what modelctl releases."""
        names = self.git(
            "diff-tree", "-z", "--root", "--no-commit-id", "--name-only", "-r", commit.digest
        )
        return all(name.startswith("environments/") for name in names.strip("\0").split("\0"))


def violations(clone: Clone, commits: list[Commit]) -> list[str]:
    """Every wrong message: the commit, its subject, and what is wrong with it."""
    found = []
    for commit in commits:
        problems = message_violations(commit.message)
        if problems and not clone.only_environments(commit):
            lines = "".join(f"\n    {problem}" for problem in problems)
            found.append(f"{commit.digest[:12]} {commit.subject!r}{lines}")
    return found


def check(root: Path, base: str | None) -> int:
    """Print what was checked and what is wrong; 1 for a wrong message, 2 where git fails."""
    clone = Clone(root)
    try:
        clone.git("rev-parse", "HEAD")
    except (CommitsError, FileNotFoundError):
        print("commits: not checked: this is no git clone with commits")
        return 0
    try:
        commits = clone.since(base)
        found = violations(clone, commits)
    except CommitsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if found:
        fix = "reword them with `git rebase --interactive`; CONTRIBUTING.md has the rules"
        print("\n".join([*found, f"error: {len(found)} wrong commit message(s): {fix}"]))
        return 1
    shallow = "; this clone is shallow, older ones are not here" if clone.is_shallow() else ""
    print(f"commits: {len(commits)} checked{shallow}")
    return 0


if __name__ == "__main__":
    sys.exit(check(ROOT, os.environ.get("BASE") or None))
