"""All promotion rules for one version that enters one environment, by the name of the rule.

The names are those that `--override` knows, and `freeze`, which it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.cluster import evidence
from modelctl.promotion import rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.environments import Environment, Version


@dataclass(frozen=True)
class Source:
    """An environment that a version is promoted from, and what is known of the version there.

    `passed` are the checks of `verify-release` on record.
    """

    environment: Environment
    evidence: Evidence
    passed: tuple[str, ...] = ()


def violations(
    model: str,
    environment: Environment,
    version: Version,
    sources: Sequence[Source],
    now: datetime,
) -> dict[str, list[str]]:
    """Why the version may not enter, by rule; that the sources have it is not asked here."""
    found: dict[str, list[str]] = {
        "freeze": rules.freeze_violations(model, environment, now),
        "window": rules.window_violations(model, environment, now),
        "health": [],
        "soak": [],
        "verification": [],
    }
    for source in sources:
        place, known = source.environment, source.evidence
        found["health"] += evidence.health_violations(model, place, version, known)
        found["soak"] += rules.soak_violations(environment, place, version, known, now)
        found["verification"] += rules.verification_violations(model, place, version, source.passed)
    return found
