"""Which files a change touches: those that git has since the base, and those not committed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.runner import base

if TYPE_CHECKING:
    from pathlib import Path


def since_base(root: Path) -> tuple[str, list[str]]:
    """The base in words and the changed files; all files are changed where there is no base."""
    if base.commit(root, "HEAD") is None:
        # An archive without its history, or a clone that git does not trust.
        return "nothing: git does not answer here", [
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        ]
    listed = _names(root, "ls-files", "--others", "--exclude-standard")
    since = _base(root)
    if since is None:
        return "no commit to compare with", [*_names(root, "ls-files"), *listed]
    # A renamed file is gone from where it was: both names count.
    listed += _names(root, "diff", "--no-renames", "--name-only", since)
    return f"commit {since[:12]}", sorted(set(listed))


def _base(root: Path) -> str | None:
    """$BASE, else where the branch left the upstream's main, else the commit before this one."""
    if found := base.named(root, os.environ.get("BASE")):
        return found
    fork = base.fork_point(root)
    if fork and fork != base.commit(root, "HEAD"):
        return fork
    return base.commit(root, "HEAD^")


def _names(root: Path, *arguments: str) -> list[str]:
    """File names as they are: git quotes those with special characters unless asked for NULs."""
    command, *more = arguments
    argv = ["git", "-C", str(root), command, "-z", *more]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]
