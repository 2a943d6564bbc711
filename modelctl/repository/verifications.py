"""The record that a version passed its checks in an environment: an annotated tag of git.

A tag is there in every clone and on every forge, needs no cluster to be read, is made at once or
not at all, and a forge can restrict who may create it. Its name contains a digest of the version,
so that it is never moved.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo, history, origin
from modelctl.repository.origin import REMOTE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

PREFIX = "verified"
DIGITS = 16


def name(environment: Environment, model: str, version: Version) -> str:
    """The tag of a version in an environment."""
    text = version.model_dump_json(exclude_none=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    return f"{PREFIX}/{environment.name}/{model}/{digest}"


def passed(root: Path, environment: Environment, model: str, version: Version) -> tuple[str, ...]:
    """The checks that the version passed there, as far as this clone knows."""
    tag = name(environment, model, version)
    reference = f"refs/tags/{tag}"
    form = "%(objecttype) %(refname)\n%(contents:body)"
    # A pattern finds tags below that name too, and a light tag has the words of its commit.
    head, _, text = gitrepo.git(root, "for-each-ref", f"--format={form}", reference).partition("\n")
    if head != f"tag {reference}":
        return ()
    try:
        found = json.loads(text)
        checks = tuple(found["checks"]) if found["version"] == version.model_dump() else None
    except (ValueError, KeyError, TypeError, RecursionError):
        checks = None
    if checks is None:
        raise ModelctlError(
            f"tag {tag} is not a record of a verification of this version",
            found=text.strip()[:80],
            fix=f"git tag --delete {tag}, here and at {REMOTE}; then verify again",
        )
    return checks


def record(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    checks: Mapping[str, int],
) -> str:
    """Tag the commit that brought the version, push the tag if there is a remote; return its name.

    `checks` has the number of rows of each check. Idempotent: whoever comes second keeps the first
    record. Raises ModelctlError for a version that is not committed, or for another record with
    fewer checks.
    """
    root = repository.root
    tag = name(environment, model, version)
    has_remote = origin.is_known(root)
    if has_remote:
        _fetch(root, tag)
    known = passed(root, environment, model, version)
    if known and not set(checks) <= set(known):
        raise ModelctlError(
            f"{tag} exists with fewer checks",
            expected=", ".join(checks),
            found=", ".join(known),
            fix=f"git push --delete {REMOTE} {tag} && git tag --delete {tag}; then verify again",
        )
    if not known:
        entries = history.read(repository, environment, model)
        if not entries or entries[0].version != version:
            raise ModelctlError(
                f"the version file of '{model}' in '{environment.name}' is not committed",
                fix="commit it, then verify again",
            )
        subject = f"{version.model.version} of {model} verified in {environment.name}"
        body = json.dumps({"checks": dict(checks), "version": version.model_dump()}, indent=2)
        message = f"{subject}\n\n{body}"
        gitrepo.git(root, "tag", "--annotate", "--message", message, tag, entries[0].commit.id)
    if has_remote:
        _push(root, tag)
    return tag


def _fetch(root: Path, tag: str) -> None:
    """Get the record of another clone, which comes first."""
    if gitrepo.git(root, "ls-remote", "--tags", REMOTE, f"refs/tags/{tag}"):
        reference = f"+refs/tags/{tag}:refs/tags/{tag}"
        gitrepo.git(root, "fetch", "--quiet", "--no-tags", REMOTE, reference)


def _push(root: Path, tag: str) -> None:
    try:
        gitrepo.git(root, "push", "--quiet", REMOTE, f"refs/tags/{tag}")
    except proc.CommandError:
        # Another clone was faster by a moment: its record counts.
        if not gitrepo.git(root, "ls-remote", "--tags", REMOTE, f"refs/tags/{tag}"):
            raise
        _fetch(root, tag)
