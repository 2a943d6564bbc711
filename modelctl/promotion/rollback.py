"""Plan a rollback to an earlier version of an environment, from git history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.errors import RefusedError
from modelctl.promotion import freeze, rules
from modelctl.repository import edits, history

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.environments import Environment, Repository, Version
    from modelctl.repository.history import Entry


def find_target(
    entries: list[Entry], current: Version, wanted: str | None, *, model: str, environment: str
) -> Version:
    """The version to roll back to: `wanted` by name, else the newest that is not the current one.

    Raises RefusedError if history has no such version.
    """
    earlier = [entry.version for entry in entries if entry.version not in (None, current)]
    for version in earlier:
        if version is not None and wanted in (None, version.model.version):
            return version
    known = sorted({version.model.version for version in earlier if version is not None})
    raise RefusedError(
        f"no earlier version {wanted} in git" if wanted else "no earlier version in git",
        expected=f"one of {', '.join(known)}" if known else "an earlier release",
        fix=f"list releases: `modelctl history {model} --env {environment}`",
    )


def plan_rollback(
    repository: Repository,
    environment: Environment,
    model: str,
    wanted: str | None,
    now: datetime,
    *,
    break_freeze: bool = False,
) -> tuple[list[edits.Edit], Version]:
    """Plan to write an earlier version; return the edits and that version.

    A freeze refuses it (RefusedError), unless `break_freeze` plans to end it for this model too.
    """
    repository.require_model(environment, model)
    current = repository.version(environment, model)
    if current is None:
        raise RefusedError(f"'{model}' is not released in '{environment.name}'")
    entries = history.read(repository, environment, model)
    target = find_target(entries, current, wanted, model=model, environment=environment.name)
    planned = [edits.set_version(repository.version_file(environment, model), target)]
    if break_freeze:
        planned.append(freeze.plan_break(repository, environment, model))
    else:
        rules.ensure_allowed(rules.freeze_violations(model, environment, now))
    return planned, target
