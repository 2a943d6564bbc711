"""Plan a promotion: copy the version of the previous environment."""

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
class Promotion:
    """A version to promote from `source` to `environment`, and the evidence for it in `source`."""

    model: str
    source: Environment
    environment: Environment
    version: Version
    evidence: Evidence
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
        summary = describe(self.source, self.version, self.evidence, now)
        return [summary, *self._approval_notes(), *self._chart_notes()]

    def _approval_notes(self) -> list[str]:
        owners = ", ".join(self.environment.approvals)
        return [f"{self.environment.name} requires the approval of {owners}"] if owners else []

    def _chart_notes(self) -> list[str]:
        """The first environment renders the checkout's chart, whatever its version file pins."""
        pinned = self.version.chart.version if self.version.chart else ""
        if self.source.promotion != "auto" or pinned == self.folder_chart:
            return []
        return [
            f"warning: {self.source.name} renders chart {self.folder_chart}, but chart {pinned} is "
            f"promoted; to pin {self.folder_chart}: `modelctl bump {self.model} --env "
            f"{self.source.name}`"
        ]


def describe(source: Environment, version: Version, evidence: Evidence, now: datetime) -> str:
    """The evidence for a version in one line."""
    age = f"for {durations.span(now - evidence.since)} " if evidence.since else ""
    health = evidence.health or evidence.note
    return f"{version.model.version} in {source.name}: {age}({evidence.record}); {health}"


def plan_promotion(
    repository: Repository,
    model: str,
    environment_name: str,
    *,
    live: bool = True,
    with_settings: bool = False,
) -> Promotion:
    """Plan to copy the version of the previous environment; settings on request, capacity never."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    source = repository.before(environment)
    version = repository.version(source, model) if source else None
    now = datetime.now(UTC)
    rules.ensure_allowed(rules.promotion_violations(model, environment, source, version))
    assert source is not None and version is not None  # noqa: S101, PT018 - refused above
    planned = [edits.set_version(repository.version_file(environment, model), version)]
    if with_settings:
        settings = repository.value_file(source, model, "settings.yaml")
        target = repository.value_file(environment, model, "settings.yaml")
        planned.append(edits.set_values(target, settings))
    # The rules apply to changes only: what is already there may stay.
    has_changes = any(edit.has_changes for edit in planned)
    collect = evidence.from_cluster if live and has_changes else evidence.from_git
    known = collect(repository, source, model, version)
    chart = charts.folder_version(repository.root)
    promotion = Promotion(model, source, environment, version, known, tuple(planned), chart)
    if has_changes:
        rules.ensure_allowed(
            [
                *rules.freeze_violations(model, environment, now),
                *evidence.health_violations(model, source, version, known),
                *rules.soak_violations(environment, source, version, known, now),
            ]
        )
    return promotion
