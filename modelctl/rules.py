"""May this version enter that environment? Pure functions: every refusal, no files, no cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl import freezes
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelctl.environments import Environment, Version


def refuse_bump(environment: Environment) -> list[str]:
    """Why a new build may not enter an environment directly."""
    if environment.promotion == "auto":
        return []
    return [
        f"'{environment.name}' takes versions by promotion, not new builds: "
        f"use `modelctl promote MODEL --to {environment.name}`"
    ]


def refuse_promotion(
    model: str, environment: Environment, source: Environment | None, version: Version | None
) -> list[str]:
    """Why the version of `source` may not enter `environment`."""
    if source is None:
        return [
            f"'{environment.name}' is the first environment: nothing is promoted into it, "
            f"use `modelctl bump {model} --env {environment.name}`"
        ]
    if version is None:
        return [
            f"'{model}' is not released in '{source.name}' yet, "
            f"and '{environment.name}' takes versions only from there"
        ]
    return []


def refuse_change(
    environment: Environment,
    version: Version | None,
    source_version: Version | None,
    earlier: Sequence[Version],
) -> list[str]:
    """Why a version file may not become `version` (None: retired), however it was edited.

    A version enters a later environment from the one before, or comes back from its own past.
    """
    if version is None or environment.promotion == "auto":
        return []
    if version == source_version or version in earlier:
        return []
    return [
        f"{version.model.version} is neither what the environment before '{environment.name}' runs "
        "nor an earlier version of it; use `modelctl promote` or `modelctl rollback`"
    ]


def refuse_frozen(model: str, environment: Environment, now: datetime) -> list[str]:
    """Why a model may not change in an environment at the moment."""
    freeze = freezes.active(environment, model, now)
    if freeze is None:
        return []
    return [
        f"'{environment.name}' is frozen for '{model}' until {freeze.until.isoformat()}: "
        f"{freeze.reason}"
    ]


def require(refusals: list[str]) -> None:
    """Raise RefusedError with all the reasons, if there are any."""
    if refusals:
        raise RefusedError("\n".join(refusals))
