"""May this version enter that environment? Pure functions: every refusal, no files, no cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelctl.durations import span
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.environments import Environment, Version


def bump_violations(environment: Environment) -> list[str]:
    """Why a new build may not enter an environment directly."""
    if environment.promotion == "auto":
        return []
    return [
        f"'{environment.name}' takes versions by promotion, not new builds: "
        f"use `modelctl promote MODEL --to {environment.name}`"
    ]


def promotion_violations(
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
    if version.chart is None:
        return [
            f"'{model}' in '{source.name}' pins no chart, and '{environment.name}' renders only a "
            f"pinned one: use `modelctl bump {model} --env {source.name}`"
        ]
    return []


def soak_violations(
    environment: Environment,
    source: Environment,
    version: Version,
    evidence: Evidence,
    now: datetime,
) -> list[str]:
    """Why a version has not been long enough in `source` to enter `environment`."""
    soak = timedelta(minutes=environment.soak_minutes)
    age = now - evidence.since if evidence.since else timedelta()
    if age >= soak:
        return []
    return [
        f"'{environment.name}' takes a version after {span(soak)} in '{source.name}': "
        f"{version.model.version} has been there for {span(age)} ({evidence.record}), "
        f"try again in {span(soak - age + timedelta(seconds=59))}"
    ]


def retirement_violations(
    model: str, environment: Environment, later: Sequence[Environment]
) -> list[str]:
    """Why a model may not leave an environment: `later` ones still have a version of it."""
    if not later:
        return []
    names = ", ".join(other.name for other in later)
    return [
        f"'{model}' still runs in {names}, and versions reach it only through "
        f"'{environment.name}': retire it there first. To stop its pods in '{environment.name}' "
        f"meanwhile, set `replicaCount: 0` in environments/{environment.name}/{model}/capacity.yaml"
    ]


def change_violations(
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


def freeze_violations(model: str, environment: Environment, now: datetime) -> list[str]:
    """Why a model may not change in an environment at the moment."""
    freeze = environment.active_freeze(model, now)
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
