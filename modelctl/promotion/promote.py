"""Plan a promotion: copy the version that all previous environments have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl.cluster import commit_statuses, evidence
from modelctl.cluster.commit_statuses import Statuses
from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import experiment_rules, gates, rules
from modelctl.rendering import charts
from modelctl.repository import (
    aborts,
    edits,
    history,
    origin,
    overrides,
    replays,
    strict_yaml,
    verifications,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.promotion.gates import Source
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment, OverridableRule
    from modelctl.repository.overrides import Override
    from modelctl.repository.replays import Comparison
    from modelctl.repository.versions import Version


@dataclass(frozen=True)
class Options:
    """What a person, or a workflow, decided about a promotion.

    `origin` is the environment to take the version from instead of the previous ones. `automatic`
    leaves out versions that ran there before. `statuses` are those that GitHub has told so far.
    """

    live: bool = True
    with_settings: bool = False
    origin: str = ""
    overridden: tuple[OverridableRule, ...] = ()
    reason: str = ""
    automatic: bool = False
    statuses: Statuses = field(default_factory=Statuses, compare=False)


@dataclass(frozen=True)
class Promotion:
    """A version to promote to `environment`, and the sources, which all have it."""

    model: str
    sources: tuple[Source, ...]
    environment: Environment
    version: Version
    edits: tuple[edits.Edit, ...]
    folder_chart: str  # the version of the chart that the first environment renders
    current: Version | None = None  # what the environment has
    override: Override | None = None
    comparison: Comparison | None = None  # the replay that the environment asks for

    @property
    def message(self) -> str:
        """The commit subject."""
        return f"Promote {self.model} {self.version.model.version} to {self.environment.name}"

    @property
    def trailers(self) -> list[str]:
        """The lines of the commit message that a machine reads."""
        if self.override is None:
            return []
        return overrides.trailers(self.environment, self.model, self.override)

    @property
    def has_changes(self) -> bool:
        """Whether the environment lacks the version (or settings)."""
        return any(edit.has_changes for edit in self.edits)

    def notes(self, now: datetime) -> list[str]:
        """What to know before promoting."""
        summaries = [gates.describe(source, self.version, now) for source in self.sources]
        return [
            *summaries,
            *gates.replay_notes(self.environment, self.version, self.comparison),
            *self._override_notes(),
            *self._approval_notes(),
            *self._chart_notes(),
        ]

    def _override_notes(self) -> list[str]:
        if self.override is None or self.environment.overrides is None:
            return []
        approvers = ", ".join(self.environment.overrides.approvers)
        return [
            f"override of {' and '.join(self.override.rules)}: {self.override.reason}; requires "
            f"the approval of {approvers}"
        ]

    def _approval_notes(self) -> list[str]:
        owners = ", ".join(self.environment.approvals)
        return [f"{self.environment.name} requires the approval of {owners}"] if owners else []

    def _chart_notes(self) -> list[str]:
        """The first environment renders the checkout's chart, whatever its version file pins."""
        pinned = self.version.chart.version if self.version.chart else ""
        back = gates.chart_notes(self.version, self.current)
        return back + [
            f"warning: {source.name} renders chart {self.folder_chart}, but chart {pinned} is "
            f"promoted; to pin {self.folder_chart}: `modelctl bump {self.model} --env "
            f"{source.name}`"
            for source in (each.environment for each in self.sources)
            if source.promotion == "auto" and pinned != self.folder_chart
        ]


def require_published(
    repository: Repository, models: Sequence[str], environment_name: str, options: Options
) -> None:
    """Raise ModelctlError if what would be promoted is not committed and pushed."""
    names = ["version.yaml", *(["settings.yaml"] if options.with_settings else [])]
    environment = repository.environment(environment_name)
    for source in _sources(repository, environment, options):
        for model in models:
            for name in names:
                origin.require_published(repository.root, repository.folder(source, model) / name)


def plan_promotion(
    repository: Repository, model: str, environment_name: str, options: Options
) -> Promotion:
    """Plan to copy the version that all previous environments have.

    Settings on request, from the first of them; capacity never.
    """
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    sources = _sources(repository, environment, options)
    versions = [repository.version(source, model) for source in sources]
    now = datetime.now(UTC)
    rules.ensure_allowed(rules.override_violations(environment, options.overridden))
    rules.ensure_allowed(
        rules.promotion_violations(model, environment, list(zip(sources, versions, strict=True)))
    )
    version = rules.common_version(versions)
    assert version is not None  # noqa: S101 - refused above
    planned, override = _edits(repository, environment, model, version, options)
    settings = repository.value_file(sources[0], model, "settings.yaml")
    if options.with_settings:
        target = repository.value_file(environment, model, "settings.yaml")
        planned.append(edits.set_values(target, settings))
    # The rules apply to changes only: what is already there may stay.
    has_changes = any(edit.has_changes for edit in planned)
    known = tuple(
        _known(repository, source, model, version, options, is_change=has_changes)
        for source in sources
    )
    comparison = None
    if has_changes:
        comparison = replays.in_history(repository, environment, model, version.model.digest)
        way = repository.way_to(environment)
        on_record = (aborts.in_history(repository, each, model, version) for each in way)
        aborted = [each for each in on_record if each]
        violations = gates.violations(model, environment, version, known, now, aborted, comparison)
        copied = strict_yaml.read(settings).content if options.with_settings else None
        violations["experiment"] = experiment_rules.entry_violations(
            repository, environment, model, version, copied, now
        )
        if options.automatic:
            violations["automatic"] = [
                *_automatic_violations(repository, environment, model, version),
                *_record_violations(model, version, known),
            ]
        _ensure_allowed(violations, environment, options)
    chart = charts.folder_version(repository.root)
    try:
        current = repository.version(environment, model)
    except ModelctlError:  # a file that cannot be read is replaced, or refused as uncommitted
        current = None
    return Promotion(
        model, known, environment, version, tuple(planned), chart, current, override, comparison
    )


def _known(
    repository: Repository,
    source: Environment,
    model: str,
    version: Version,
    options: Options,
    *,
    is_change: bool,
) -> Source:
    """What is known of the version in a source: by a cluster, else the forge, else git."""
    collect = evidence.from_cluster if options.live and is_change else evidence.from_git
    known = collect(repository, source, model, version)
    if is_change and not known.health and repository.health_reporter:
        known = commit_statuses.refine(known, options.statuses, repository, source, model)
    passed: tuple[str, ...] = ()
    if source.verification:
        passed = verifications.passed(repository.root, source, model, version)
    return gates.Source(source, known, passed)


def _sources(
    repository: Repository, environment: Environment, options: Options
) -> tuple[Environment, ...]:
    """The previous environments, or the one that was asked for. Raises ModelctlError."""
    previous = repository.previous(environment)
    if not options.origin:
        if "order" in options.overridden:
            raise ModelctlError(
                "--override order without --from",
                expected="the environment to take the version from",
                fix=f"--from {repository.environments[0].name}",
            )
        return previous
    origin = repository.environment(options.origin)
    if (origin,) != previous and "order" not in options.overridden:
        names = " and ".join(source.name for source in previous) or "none"
        raise RefusedError(
            f"'{origin.name}' is not all that '{environment.name}' comes after",
            expected=names,
            found=origin.name,
            fix="leave out --from, or `--override order --reason '...'`",
        )
    if environment in (origin, *repository.previous(origin)) or environment.promotion == "auto":
        raise RefusedError(f"'{environment.name}' takes no version from '{origin.name}'")
    return (origin,)


def _override(options: Options, version: Version) -> Override | None:
    if not options.overridden:
        return None
    return overrides.Override(
        rules=sorted(set(options.overridden)),
        reason=options.reason,
        source=options.origin or None,
        version=version,
    )


def _edits(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    options: Options,
) -> tuple[list[edits.Edit], Override | None]:
    """The version file, and the record of an override; that of an earlier version goes."""
    planned = [edits.set_version(repository.version_file(environment, model), version)]
    record = overrides.path(repository, environment, model)
    override = _override(options, version) if planned[0].has_changes else None
    if planned[0].has_changes and (override or record.is_file()):
        planned.append(overrides.plan(record, override))
    return planned, override


def _automatic_violations(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[str]:
    current = repository.version(environment, model)
    earlier = [entry.version for entry in history.read(repository, environment, model)]
    known = [each for each in earlier if each is not None]
    return rules.automatic_violations(environment, version, current, known)


def _record_violations(model: str, version: Version, sources: tuple[Source, ...]) -> list[str]:
    return [
        text
        for source in sources
        for text in rules.record_violations(
            model, source.environment, version, source.evidence.health, source.passed
        )
    ]


def _ensure_allowed(
    violations: dict[str, list[str]], environment: Environment, options: Options
) -> None:
    """Raise RefusedError with what is not overridden, and how it could be."""
    remaining = rules.remaining(violations, options.overridden)
    if not remaining:
        return
    refused = [rule for rule, texts in violations.items() if texts]
    allowed = environment.overrides.rules if environment.overrides else []
    missing = [rule for rule in refused if rule not in options.overridden]
    fix = ""
    if not options.automatic and set(missing) <= set(allowed):
        words = " ".join(f"--override {rule}" for rule in missing)
        fix = f"in an emergency: {words} --reason '...'"
    raise RefusedError("\n".join(remaining), fix=fix)
