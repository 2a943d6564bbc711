"""The body of a promotion's pull request: version changes, metrics, rendered diff, checklist.

Every metric names its source, or why it is missing. Needs no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl import durations, proc
from modelctl.errors import ModelctlError
from modelctl.promotion import version_metrics
from modelctl.promotion.pull_request import PullRequest
from modelctl.quality import metric_baselines
from modelctl.rendering import compare, markdown

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.promotion.batch import Batch
    from modelctl.promotion.gates import Source
    from modelctl.promotion.promote import Promotion
    from modelctl.promotion.version_metrics import VersionMetrics
    from modelctl.repository.checkout import Repository
    from modelctl.repository.versions import Version

MAX_WHOLE = 6  # models whose metrics and rendered changes fit one text
MAX_TITLE = 60
NONE = "none"
SAME = "unchanged"


def request(
    repository: Repository, batch: Batch, now: datetime, *, live: bool, with_body: bool = True
) -> PullRequest:
    """The pull request of a batch; rendering its body is slow."""
    return PullRequest(
        branch=batch.branch,
        title=batch.subject,
        body=batch_body(repository, batch, now, live=live) if with_body else "",
        edits=batch.edits,
        details=batch.details,
        trailers=batch.trailers,
    )


def batch_body(repository: Repository, batch: Batch, now: datetime, *, live: bool) -> str:
    """The text for one model or several, in Markdown; never longer than a forge accepts.

    `live` reads metrics from the running service where the checkout has no bundle.
    """
    promotions = batch.changing
    room = markdown.MAX_CHARACTERS - sum(len(line) + 1 for line in batch.trailers)
    if len(promotions) == 1:
        return body(repository, promotions[0], now, live=live, limit=room)
    if len(promotions) > MAX_WHOLE:
        return _overview(repository, batch, room)
    limit = room // max(1, len(promotions)) - MAX_TITLE
    return "\n".join(
        f"# {each.model}\n{body(repository, each, now, live=live, limit=limit)}"
        for each in promotions
    )


def _overview(repository: Repository, batch: Batch, room: int) -> str:
    """A table of the versions; the rendered changes are in the comment that CI writes."""
    rows = []
    for each in batch.changing:
        current = repository.version(batch.environment, each.model)
        rows.append((each.model, current.model.version if current else NONE, _title(each)))
    text = markdown.table(("model", f"{batch.environment.name} now", "after"), rows) + "\n"
    return text if len(text) <= room else f"{len(rows)} models, as the changed files list them.\n"


def _title(promotion: Promotion) -> str:
    return f"{promotion.version.model.version} `{promotion.version.model.digest}`"


def body(
    repository: Repository,
    promotion: Promotion,
    now: datetime,
    *,
    live: bool,
    limit: int = markdown.MAX_CHARACTERS,
) -> str:
    """The text for one model, of at most `limit` characters where that is possible."""
    current = repository.version(promotion.environment, promotion.model)
    before = [
        _section("Version", _version_changes(repository, promotion, current)),
        _section("Metrics", _metrics(repository, promotion, current, live=live)),
    ]
    after = _section("Reviewer checklist", _checklist(promotion, current, now))
    # The other sections are short; the rendered diff gets the rest.
    room = max(0, limit - sum(map(len, (*before, after))))
    changes = _section("Rendered changes", _rendered(repository, promotion, room))
    return "\n\n".join([*before, changes, after]) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n{text}"


def _version_changes(repository: Repository, promotion: Promotion, current: Version | None) -> str:
    rows = [
        (name, old, SAME if old == new else new)
        for (name, old), (_, new) in zip(_parts(current), _parts(promotion.version), strict=True)
    ]
    files = ", ".join(
        f"`{edit.path.relative_to(repository.root)}`"
        for edit in promotion.edits
        if edit.has_changes
    )
    target = promotion.environment.name
    sources = " and ".join(source.environment.name for source in promotion.sources)
    table = markdown.table(("", f"{target} now", f"after, as in {sources}"), rows)
    return f"{table}\n\nFiles: {files or NONE}. Capacity is not changed."


def _parts(version: Version | None) -> list[tuple[str, str]]:
    names = ("model", "bundle", "image", "image digest", "chart")
    if version is None:
        return [(name, NONE) for name in names]
    values = (
        version.model.version,
        f"`{version.model.digest}`",
        f"`{version.image.repository}:{version.image.tag}`",
        f"`{version.image.digest}`",
        version.chart.version if version.chart else "not pinned",
    )
    return list(zip(names, values, strict=True))


def _metrics(
    repository: Repository, promotion: Promotion, current: Version | None, *, live: bool
) -> str:
    model, target = promotion.model, promotion.environment
    source = promotion.sources[0].environment
    new = version_metrics.of_version(repository, source, model, promotion.version, live=live)
    sources = [f"- {promotion.version.model.version} (to be promoted): {new.source}"]
    old = None
    if current is not None:
        old = version_metrics.of_version(repository, target, model, current, live=live)
        sources.append(f"- {current.model.version} (now in {target.name}): {old.source}")
    committed = version_metrics.committed_baselines(repository, model)
    if committed is None:
        sources.append(f"- metric baseline: no models/{model}/{metric_baselines.FILE} here")
    baselines = committed.metrics if committed else {}
    rows = [
        (
            name,
            _baseline_cell(baselines.get(name)),
            old.cell(name) if old else NONE,
            new.cell(name),
            _verdict(baselines.get(name), name, new),
        )
        for name in _names(baselines, old, new)
    ]
    head = ("metric", "baseline (limit)", f"{target.name} now", "after", "")
    shown = [markdown.table(head, rows)] if rows else []
    return "\n\n".join([*shown, "\n".join(sources)])


def _names(
    baselines: dict[str, metric_baselines.MetricBaseline], *versions: VersionMetrics | None
) -> list[str]:
    """The metrics with a baseline, then those that only a version has."""
    others = [name for one in versions if one for name in (*(one.values or ()), *one.baselines)]
    return list(dict.fromkeys([*baselines, *sorted(others)]))


def _baseline_cell(baseline: metric_baselines.MetricBaseline | None) -> str:
    if baseline is None:
        return NONE
    sign = "≥" if baseline.better == "higher" else "≤"
    return f"{baseline.value:g} ({sign} {baseline.limit:g})"


def _verdict(
    baseline: metric_baselines.MetricBaseline | None, name: str, new: VersionMetrics
) -> str:
    if baseline is None:
        return "no baseline"
    if new.values is None:
        return "unknown"
    (verdict,) = metric_baselines.judge(
        metric_baselines.MetricBaselines(metrics={name: baseline}), {name: new.values.get(name)}
    )
    return f"**{verdict.problem}**" if verdict.problem else "passes"


def _rendered(repository: Repository, promotion: Promotion, room: int) -> str:
    try:
        changes = compare.proposed(
            repository, promotion.environment.name, promotion.model, promotion.edits
        )
    except ModelctlError as error:
        # Helm's stderr contains paths of this machine, and may contain secrets; our errors do not.
        cause = "Helm failed" if isinstance(error, proc.CommandError) else error.what
        return f"Not rendered ({cause}): run `modelctl diff --base origin/main` on the branch."
    return markdown.objects(changes, room) or "None."


def _checklist(promotion: Promotion, current: Version | None, now: datetime) -> str:
    model, target = promotion.model, promotion.environment
    rollback = (
        f"rollback to {current.model.version} is possible: `modelctl rollback {model} --env "
        f"{target.name} --pull-request --reason '...'`, or the workflow `rollback`"
        if current
        else f"no previous version to roll back to: `modelctl retire {model} --env {target.name}`"
    )
    owners = ", ".join(target.approvals)
    override = promotion.override
    approvers = ", ".join(target.overrides.approvers) if target.overrides else ""
    steps = [
        *(step for source in promotion.sources for step in _evidence(promotion, source, now)),
        *_replay(promotion),
        *(
            [
                (
                    False,
                    f"override of {' and '.join(override.rules)} approved by {approvers}: "
                    f"{override.reason}",
                )
            ]
            if override
            else []
        ),
        (False, "no metric is worse than the current version's, or the change is intended"),
        (False, "the rendered changes are intended and complete"),
        (False, f"approved by {owners}" if owners else "approved as your forge requires"),
        (False, f"{rollback}; runbooks: docs/runbooks"),
        (False, f"after the merge: `modelctl wait {model} --env {target.name}`"),
    ]
    return "\n".join(f"- [{'x' if done else ' '}] {' '.join(text.split())}" for done, text in steps)


def _replay(promotion: Promotion) -> list[tuple[bool, str]]:
    """What the replay showed that the environment asks for."""
    if promotion.comparison is None:
        return []
    record = promotion.comparison.record
    shown = record.summary if record else "no record"
    overridden = promotion.override.rules if promotion.override else []
    version, target = promotion.version.model.version, promotion.environment.name
    return [("replay" not in overridden, f"{version} is replayed for {target}: {shown}")]


def _evidence(promotion: Promotion, source: Source, now: datetime) -> list[tuple[bool, str]]:
    """What is known of the version in one previous environment, and whether it is verified."""
    version, name, known = promotion.version.model.version, source.environment.name, source.evidence
    age = f"for {durations.span(now - known.since)} " if known.since else ""
    soak = f"{promotion.environment.name} requires {promotion.environment.soak_minutes} min"
    overridden = promotion.override.rules if promotion.override else []
    verified = ", ".join(source.passed) or "no record"
    checks = source.environment.verification
    return [
        (
            known.health == "Healthy",
            f"{version} is healthy in {name}: {known.health or known.note}",
        ),
        # Whatever is not overridden would have been refused.
        ("soak" not in overridden, f"{version} has soaked in {name} {age}({known.record}); {soak}"),
        *(
            [(set(checks) <= set(source.passed), f"{version} is verified in {name}: {verified}")]
            if checks
            else []
        ),
    ]
