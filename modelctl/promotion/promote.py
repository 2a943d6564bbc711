"""Plan a promotion: the version of the environment before enters a later one."""

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
    """A version on its way from `source` to `environment`, and what is known of it there."""

    model: str
    source: Environment
    environment: Environment
    version: Version
    evidence: Evidence
    edits: tuple[edits.Edit, ...]
    folder_chart: str  # the version of the chart that the first environment renders

    @property
    def message(self) -> str:
        """The subject of its commit."""
        return f"Promote {self.model} {self.version.model.version} to {self.environment.name}"

    @property
    def changes(self) -> bool:
        """Whether the environment has the version (and settings) not yet."""
        return any(edit.changes for edit in self.edits)

    def notes(self, now: datetime) -> list[str]:
        """What a person should know before they agree."""
        known = describe(self.source, self.version, self.evidence, now)
        return [known, *self._approvals(), *self._chart()]

    def _approvals(self) -> list[str]:
        owners = ", ".join(self.environment.approvals)
        return [f"{self.environment.name} wants the approval of {owners}"] if owners else []

    def _chart(self) -> list[str]:
        """The first environment renders the folder, whatever its version file pins."""
        pinned = self.version.chart.version if self.version.chart else ""
        if self.source.promotion != "auto" or pinned == self.folder_chart:
            return []
        return [
            f"warning: {self.source.name} renders chart {self.folder_chart}, and {pinned} is what "
            f"is promoted; `modelctl bump {self.model} --env {self.source.name}` pins the newer"
        ]


def describe(source: Environment, version: Version, evidence: Evidence, now: datetime) -> str:
    """What is known of a version in one line."""
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
    """Copy the version of the environment before it; settings only on request, capacity never."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    source = repository.before(environment)
    version = repository.version(source, model) if source else None
    now = datetime.now(UTC)
    rules.require(rules.promotion_violations(model, environment, source, version))
    assert source is not None and version is not None  # noqa: S101, PT018 - refused above
    planned = [edits.set_version(repository.version_file(environment, model), version)]
    if with_settings:
        theirs = repository.folder(source, model) / "settings.yaml"
        ours = repository.folder(environment, model) / "settings.yaml"
        planned.append(edits.set_values(ours, theirs))
    # What is there already may stay there: the rules are for what enters.
    changes = any(edit.changes for edit in planned)
    look = evidence.of_cluster if live and changes else evidence.of_git
    found = look(repository, source, model, version)
    chart = charts.folder_version(repository.root)
    promotion = Promotion(model, source, environment, version, found, tuple(planned), chart)
    if changes:
        rules.require(
            [
                *rules.freeze_violations(model, environment, now),
                *evidence.health_violations(model, source, version, found),
                *rules.soak_violations(environment, source, version, found, now),
            ]
        )
    return promotion
