"""All promotion rules for one version that enters one environment, by the name of the rule.

The names are those that `--override` knows, and `freeze`, which it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import durations
from modelctl.cluster import evidence
from modelctl.promotion import rules
from modelctl.repository.versions import is_older

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.aborts import Abort
    from modelctl.repository.environments import Environment
    from modelctl.repository.replays import Comparison
    from modelctl.repository.versions import Version


@dataclass(frozen=True)
class Source:
    """An environment that a version is promoted from, and what is known of the version there.

    `passed` are the checks of `verify-release` on record.
    """

    environment: Environment
    evidence: Evidence
    passed: tuple[str, ...] = ()


def describe(source: Source, version: Version, now: datetime) -> str:
    """The evidence for a version in one line."""
    known = source.evidence
    health = f"{known.health}, " if known.health else ""
    age = f"for {durations.span(now - known.since)} " if known.since else ""
    note = f"; {known.note}" if known.note else ""
    verified = f"; verified: {', '.join(source.passed)}" if source.passed else ""
    name = source.environment.name
    return f"{version.model.version} in {name}: {health}{age}({known.record}){note}{verified}"


def replay_notes(
    environment: Environment, version: Version, comparison: Comparison | None
) -> list[str]:
    """What a replay of the version showed, if the environment asks for one."""
    if comparison is None:
        return []
    shown = comparison.record.summary if comparison.record else "no record"
    return [f"{version.model.version} for {environment.name}: replayed: {shown}"]


def chart_notes(version: Version, current: Version | None) -> list[str]:
    """What to know of the chart that a version brings: an older one may ignore settings."""
    if current is None or not is_older(version.chart, current.chart):
        return []
    pins = [each.chart.version for each in (current, version) if each.chart]
    return [f"warning: the chart goes back from {pins[0]} to {pins[1]}"]


def violations(
    model: str,
    environment: Environment,
    version: Version,
    sources: Sequence[Source],
    now: datetime,
    aborts: Sequence[Abort] = (),
    comparison: Comparison | None = None,
) -> dict[str, list[str]]:
    """Why the version may not enter, by rule; that the sources have it is not asked here.

    `aborts` are those that git knows; a cluster may know one that git has not gone back from yet.
    `comparison` is the replay that the environment asks for.
    """
    seen = [each.evidence.abort for each in sources if each.evidence.abort]
    found: dict[str, list[str]] = {
        "freeze": rules.freeze_violations(model, environment, now),
        "window": rules.window_violations(model, environment, now),
        "health": [],
        "soak": [],
        "abort": rules.abort_violations(model, version, [*aborts, *seen]),
        "verification": [],
        "replay": rules.replay_violations(model, environment, version.model.version, comparison),
    }
    for source in sources:
        place, known = source.environment, source.evidence
        found["health"] += evidence.health_violations(model, place, version, known)
        found["soak"] += rules.soak_violations(environment, place, version, known, now)
        found["verification"] += rules.verification_violations(model, place, version, source.passed)
    return found
