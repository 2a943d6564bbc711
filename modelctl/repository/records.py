"""Records of checks: annotated tags of git, with JSON as their text.

A tag is there in every clone and on every forge, needs no cluster to be read, is made at once or
not at all, and a forge can restrict who may create it. Its name contains a digest of what it is
about, so that it is never moved. This module knows nothing of what is recorded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo, origin
from modelctl.repository.origin import REMOTE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

DIGITS = 16


def read(root: Path, tag: str) -> str | None:
    """The text of a record below its subject, as far as this clone knows; None if there is none."""
    reference = f"refs/tags/{tag}"
    form = "%(objecttype) %(refname)\n%(contents:body)"
    # A pattern finds tags below that name too, and a light tag has the words of its commit.
    head, _, text = gitrepo.git(root, "for-each-ref", f"--format={form}", reference).partition("\n")
    return text if head == f"tag {reference}" else None


def invalid(tag: str, text: str, what: str, again: str) -> ModelctlError:
    """The error for a tag that is not the record that its name promises."""
    return ModelctlError(
        f"tag {tag} is not a record of {what}",
        found=text.strip()[:80],
        fix=f"git tag --delete {tag}, here and at {REMOTE}; then {again}",
    )


def replace_fix(tag: str, again: str) -> str:
    """How to make way for another record."""
    return f"git push --delete {REMOTE} {tag} && git tag --delete {tag}; then {again}"


def fetch(root: Path, tag: str) -> None:
    """Get the record of another clone, which comes first."""
    if not origin.is_known(root):
        return
    if gitrepo.git(root, "ls-remote", "--tags", REMOTE, f"refs/tags/{tag}"):
        reference = f"+refs/tags/{tag}:refs/tags/{tag}"
        gitrepo.git(root, "fetch", "--quiet", "--no-tags", REMOTE, reference)


def create(root: Path, tag: str, commit: str, subject: str, document: dict[str, Any]) -> None:
    """Make a record in this clone."""
    message = f"{subject}\n\n{json.dumps(document, indent=2)}"
    gitrepo.git(root, "tag", "--annotate", "--message", message, tag, commit)


def push(root: Path, tag: str) -> None:
    """Push a record, if there is a remote; of two that were made at once the first counts."""
    if not origin.is_known(root):
        return
    try:
        gitrepo.git(root, "push", "--quiet", REMOTE, f"refs/tags/{tag}")
    except proc.CommandError:
        # Another clone was faster by a moment: its record counts.
        if not gitrepo.git(root, "ls-remote", "--tags", REMOTE, f"refs/tags/{tag}"):
            raise
        fetch(root, tag)
