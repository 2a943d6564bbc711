"""Plan a promotion: copy the version of the previous environments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl import durations
from modelctl.cluster import evidence
from modelctl.promotion import rules
from modelctl.rendering import charts
from modelctl.repository import edits

if TYPE_CHECKING:
    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.environments import Environment, Repository, Version


@dataclass(frozen=True)
class Source:
    """A previous environment, and the evidence for the version in it."""

    environment: Environment
    evidence: Evidence


@dataclass(frozen=True)
class Promotion:
    """A version to promote to `environment`, and the sources, which all have it."""

    model: str
    sources: tuple[Source, ...]
    environment: Environment
    version: Version
    edits: tuple[edits.Edit, ...]
    folder_chart: str  # the version of the chart that the first environment renders

    @property
    def message(self) -> str:
        """The commit subject."""
        return f"Promote {self.model} {self.version.model.version} to {self.environment.name}"

    @property
    def has_changes(self) -> bool:
        """Whether the environment lacks the version (or settings)."""
        return any(edit.has_changes for edit in self.edits)

    def notes(self, now: datetime) -> list[str]:
        """What to know before promoting."""
        summaries = [describe(source, self.version, now) for source in self.sources]
        return [*summaries, *self._approval_notes(), *self._chart_notes()]

    def _approval_notes(self) -> list[str]:
        owners = ", ".join(self.environment.approvals)
        return [f"{self.environment.name} requires the approval of {owners}"] if owners else []

    def _chart_notes(self) -> list[str]:
        """The first environment renders the checkout's chart, whatever its version file pins."""
        pinned = self.version.chart.version if self.version.chart else ""
        return [
            f"warning: {source.name} renders chart {self.folder_chart}, but chart {pinned} is "
            f"promoted; to pin {self.folder_chart}: `modelctl bump {self.model} --env "
            f"{source.name}`"
            for source in (each.environment for each in self.sources)
            if source.promotion == "auto" and pinned != self.folder_chart
        ]


def describe(source: Source, version: Version, now: datetime) -> str:
    """The evidence for a version in one line."""
    evidence = source.evidence
    age = f"for {durations.span(now - evidence.since)} " if evidence.since else ""
    health = evidence.health or evidence.note
    name = source.environment.name
    return f"{version.model.version} in {name}: {age}({evidence.record}); {health}"


def plan_promotion(
    repository: Repository,
    model: str,
    environment_name: str,
    *,
    live: bool = True,
    with_settings: bool = False,
) -> Promotion:
    """Plan to copy the version that all previous environments have.

    Settings on request, from the first of them; capacity never.
    """
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    previous = repository.previous(environment)
    versions = [repository.version(source, model) for source in previous]
    now = datetime.now(UTC)
    rules.ensure_allowed(
        rules.promotion_violations(model, environment, list(zip(previous, versions, strict=True)))
    )
    version = rules.common_version(versions)
    assert version is not None  # noqa: S101 - refused above
    planned = [edits.set_version(repository.version_file(environment, model), version)]
    if with_settings:
        settings = repository.folder(previous[0], model) / "settings.yaml"
        target = repository.folder(environment, model) / "settings.yaml"
        planned.append(edits.set_values(target, settings))
    # The rules apply to changes only: what is already there may stay.
    has_changes = any(edit.has_changes for edit in planned)
    collect = evidence.from_cluster if live and has_changes else evidence.from_git
    sources = tuple(
        Source(source, collect(repository, source, model, version)) for source in previous
    )
    chart = charts.folder_version(repository.root)
    promotion = Promotion(model, sources, environment, version, tuple(planned), chart)
    if has_changes:
        violations = rules.freeze_violations(model, environment, now)
        violations += rules.window_violations(model, environment, now)
        for source in sources:
            known = source.evidence
            violations += [
                *evidence.health_violations(model, source.environment, version, known),
                *rules.soak_violations(environment, source.environment, version, known, now),
            ]
        rules.ensure_allowed(violations)
    return promotion
