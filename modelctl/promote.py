"""Plan what enters an environment: a new build in the first, a promotion in the later ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl import edits, rules
from modelctl.bundles import verified
from modelctl.environments import ModelVersion
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.environments import Repository, Version


def bundle_version(model: str, folder: Path) -> ModelVersion:
    """Version and digest of a bundle, after checking every hash and that it is this model's."""
    bundle = verified(folder)
    name = bundle.manifest["name"]
    if name != model:
        raise RefusedError(
            f"bundle {folder} is of another model",
            expected=model,
            found=name,
            fix=f"give the bundle of {model}",
        )
    return ModelVersion(version=bundle.manifest["version"], digest=bundle.digest)


def plan_bump(
    repository: Repository, model: str, environment_name: str, version: Version
) -> edits.Edit:
    """Put a new build into an environment that takes builds directly."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    now = datetime.now(UTC)
    rules.require([*rules.refuse_bump(environment), *rules.refuse_frozen(model, environment, now)])
    return edits.set_version(repository.version_file(environment, model), version)


def plan_promotion(repository: Repository, model: str, environment_name: str) -> edits.Edit:
    """Copy the version of the environment before it, and nothing else."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    source = repository.before(environment)
    version = repository.version(source, model) if source else None
    now = datetime.now(UTC)
    refusals = rules.refuse_promotion(model, environment, source, version)
    rules.require([*refusals, *rules.refuse_frozen(model, environment, now)])
    assert version is not None  # noqa: S101 - the rule above refuses None
    return edits.set_version(repository.version_file(environment, model), version)
