"""What a branch changes, and the rules for it: a hand edit passes the same gate as a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import gitrepo, history, rules
from modelctl.environments import CHART, FILE

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.environments import Environment, Repository

VERSION_FILE_PARTS = 4  # environments/<environment>/<model>/version.yaml
READ_PATHS = (CHART, "environments")
EVERYTHING = "*"


def touched(repository: Repository, base: str) -> set[str]:
    """What differs from a commit: `environment/model`, `environment` for all models of it, or
    `*` for everything (the chart, or the list of environments).
    """
    found = set()
    for name in gitrepo.changed_since(repository.root, base, READ_PATHS):
        parts = Path(name).parts
        if parts[0] != "environments" or len(parts) == len(FILE.parts):
            found.add(EVERYTHING)
        else:
            found.add("/".join(parts[1:3]) if len(parts) >= VERSION_FILE_PARTS else parts[1])
    return found


def problems(repository: Repository, base: str, now: datetime) -> list[str]:
    """Why the version files that differ from `base` may not be merged; empty when they may.

    Reads only what changed, so that the time does not grow with the number of models.
    """
    found: list[str] = []
    environments = {environment.name: environment for environment in repository.environments}
    for name in gitrepo.changed_since(repository.root, base, ("environments",)):
        parts = Path(name).parts
        if len(parts) == VERSION_FILE_PARTS and parts[-1] == "version.yaml":
            environment = environments.get(parts[1])
            if environment is not None:
                refusals = _refusals(repository, base, environment, parts[2], now)
                found.extend(f"{name}: {refusal}" for refusal in refusals)
    return found


def _refusals(
    repository: Repository, base: str, environment: Environment, model: str, now: datetime
) -> list[str]:
    source = repository.before(environment)
    earlier = [
        entry.version
        for entry in history.read(repository, environment, model, base)
        if entry.version is not None
    ]
    return [
        *rules.refuse_change(
            environment,
            repository.version(environment, model),
            repository.version(source, model) if source else None,
            earlier,
        ),
        *rules.refuse_frozen(model, environment, now),
    ]
