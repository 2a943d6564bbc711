"""Which files a change touches: those that git has since the base, and those not committed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UPSTREAM = "origin/main"
# The base of the first push to a branch, as forges write it.
NO_COMMIT = "0" * 40


def since_base(root: Path) -> tuple[str, list[str]]:
    """The base in words and the changed files; all files are changed where there is no base."""
    if _commit(root, "HEAD") is None:
        # An archive without its history, or a clone that git does not trust.
        return "nothing: git does not answer here", [
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        ]
    listed = _names(root, "ls-files", "--others", "--exclude-standard")
    base = _base(root)
    if base is None:
        return "no commit to compare with", [*_names(root, "ls-files"), *listed]
    # A renamed file is gone from where it was: both names count.
    listed += _names(root, "diff", "--no-renames", "--name-only", base)
    return f"commit {base[:12]}", sorted(set(listed))


def _base(root: Path) -> str | None:
    """$BASE, else where the branch left the upstream's main, else the commit before this one."""
    named = os.environ.get("BASE", NO_COMMIT)
    if named not in ("", NO_COMMIT):
        if commit := _commit(root, named):
            return commit
        print(f"BASE={named} is not a commit of this clone", flush=True)
    fork = _git(root, "merge-base", "HEAD", UPSTREAM, check=False).strip()
    if fork and fork != _commit(root, "HEAD"):
        return fork
    return _parent(root)


def _parent(root: Path) -> str | None:
    return _commit(root, "HEAD^")


def _commit(root: Path, name: str) -> str | None:
    argv = ("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
    return _git(root, *argv, check=False).strip() or None


def _names(root: Path, *arguments: str) -> list[str]:
    """File names as they are: git quotes those with special characters unless asked for NULs."""
    command, *more = arguments
    return [name for name in _git(root, command, "-z", *more).split("\0") if name]


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    argv = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=check).stdout
    except FileNotFoundError:
        return ""
