"""The commit that a change is compared with: the one named by BASE, or where the branch began.

A named base may be gone: a force push took it away, a shallow clone never had it, and a new branch
has none. Then something wider or older is compared with, and a line says so.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UPSTREAM = "refs/remotes/origin/main"
# The base of the first push to a branch, as forges write it.
NO_COMMIT = "0" * 40


def named(root: Path, name: str | None) -> str | None:
    """The commit of the name that somebody gave as the base; None, and a line why, without one."""
    if not name:
        return None
    if set(name) == {"0"}:
        print("BASE is no commit, as in the first push of a branch", flush=True)
        return None
    # A name that begins with a dash would be an option of git.
    found = None if name.startswith("-") else commit(root, name)
    if found is None:
        reason = "was it pushed away by force?"
        if git(root, "rev-parse", "--is-shallow-repository") == "true":
            reason = "the clone is shallow: run `git fetch --unshallow`, or set `fetch-depth: 0`"
        print(f"BASE={name} is not a commit of this clone; {reason}", flush=True)
    return found


def fork_point(root: Path) -> str | None:
    """Where HEAD left the upstream's main branch: HEAD itself on that branch, None without it."""
    return git(root, "merge-base", "HEAD", UPSTREAM) or None


def commit(root: Path, name: str) -> str | None:
    """The full hash of a commit that is in this clone, else None."""
    return git(root, "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}") or None


def git(root: Path, *arguments: str) -> str:
    """The answer of git without the newline at its end; nothing where it has none."""
    argv = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
