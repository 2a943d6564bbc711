"""Plan a rollback: an earlier version of an environment comes back, from git history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.errors import RefusedError
from modelctl.repository import edits, history

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment, Repository, Version
    from modelctl.repository.history import Entry


def rollback_target(entries: list[Entry], current: Version, wanted: str | None) -> Version:
    """The version to go back to: `wanted` by name, else the newest that is not the current one.

    Raises RefusedError when history has no such version.
    """
    earlier = [entry.version for entry in entries if entry.version not in (None, current)]
    for version in earlier:
        if version is not None and wanted in (None, version.model.version):
            return version
    known = sorted({version.model.version for version in earlier if version is not None})
    raise RefusedError(
        f"no earlier version {wanted} in git" if wanted else "no earlier version in git",
        expected=f"one of {', '.join(known)}" if known else "a version released before",
    )


def plan_rollback(
    repository: Repository, environment: Environment, model: str, wanted: str | None
) -> tuple[edits.Edit, Version]:
    """Plan to put an earlier version back; returns the edit and that version."""
    repository.require_model(environment, model)
    current = repository.version(environment, model)
    if current is None:
        raise RefusedError(f"'{model}' is not released in '{environment.name}'")
    target = rollback_target(history.read(repository, environment, model), current, wanted)
    return edits.set_version(repository.version_file(environment, model), target), target
