"""The record that a version passed its checks in an environment."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import history, records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

PREFIX = "verified"
AGAIN = "verify again"


def name(environment: Environment, model: str, version: Version) -> str:
    """The tag of a version in an environment."""
    text = version.model_dump_json(exclude_none=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[: records.DIGITS]
    return f"{PREFIX}/{environment.name}/{model}/{digest}"


def passed(root: Path, environment: Environment, model: str, version: Version) -> tuple[str, ...]:
    """The checks that the version passed there, as far as this clone knows."""
    tag = name(environment, model, version)
    text = records.read(root, tag)
    if text is None:
        return ()
    try:
        found = json.loads(text)
        checks = tuple(found["checks"]) if found["version"] == version.model_dump() else None
    except (ValueError, KeyError, TypeError, RecursionError):
        checks = None
    if checks is None:
        raise records.invalid(tag, text, "a verification of this version", AGAIN)
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
    records.fetch(root, tag)
    known = passed(root, environment, model, version)
    if known and not set(checks) <= set(known):
        raise ModelctlError(
            f"{tag} exists with fewer checks",
            expected=", ".join(checks),
            found=", ".join(known),
            fix=records.replace_fix(tag, AGAIN),
        )
    if not known:
        entries = history.read(repository, environment, model)
        if not entries or entries[0].version != version:
            raise ModelctlError(
                f"the version file of '{model}' in '{environment.name}' is not committed",
                fix="commit it, then verify again",
            )
        subject = f"{version.model.version} of {model} verified in {environment.name}"
        document = {"checks": dict(checks), "version": version.model_dump()}
        records.create(root, tag, entries[0].commit.id, subject, document)
    records.push(root, tag)
    return tag
