"""What the pull request of a promotion says: what moves, how good it is, what it changes, and what
a reviewer has to see to.

Says of each fact where it comes from, and of a missing one that it is missing. Needs no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl import durations, proc
from modelctl.errors import ModelctlError
from modelctl.promotion import version_metrics
from modelctl.quality import metric_baselines
from modelctl.rendering import compare, markdown

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.promotion.promote import Promotion
    from modelctl.promotion.version_metrics import Measured
    from modelctl.repository.environments import Repository, Version

NOTHING = "nothing"
SAME = "the same"


def body(repository: Repository, promotion: Promotion, now: datetime, *, live: bool) -> str:
    """The whole text, in Markdown; never longer than a forge takes.

    `live` asks what serves for its metrics, where the checkout has no bundle to take them from.
    """
    present = repository.version(promotion.environment, promotion.model)
    before = [
        _section("What moves", _moves(repository, promotion, present)),
        _section("Metrics", _metrics(repository, promotion, present, live=live)),
    ]
    after = _section("For the reviewer", _checklist(promotion, present, now))
    # What is left for the longest part: all other parts are short.
    room = markdown.CHARACTERS - sum(map(len, (*before, after)))
    changes = _section("What it changes in the cluster", _rendered(repository, promotion, room))
    return "\n\n".join([*before, changes, after]) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n{text}"


def _moves(repository: Repository, promotion: Promotion, present: Version | None) -> str:
    rows = [
        (name, old, SAME if old == new else new)
        for (name, old), (_, new) in zip(_parts(present), _parts(promotion.version), strict=True)
    ]
    files = ", ".join(
        f"`{edit.path.relative_to(repository.root)}`" for edit in promotion.edits if edit.changes
    )
    to = promotion.environment.name
    made = markdown.table(("", f"{to} now", f"after, as in {promotion.source.name}"), rows)
    return f"{made}\n\nFiles: {files or NOTHING}. Capacity stays as it is."


def _parts(version: Version | None) -> list[tuple[str, str]]:
    names = ("model", "bundle", "image", "image digest", "chart")
    if version is None:
        return [(name, NOTHING) for name in names]
    values = (
        version.model.version,
        f"`{version.model.digest}`",
        f"`{version.image.repository}:{version.image.tag}`",
        f"`{version.image.digest}`",
        version.chart.version if version.chart else "none pinned",
    )
    return list(zip(names, values, strict=True))


def _metrics(
    repository: Repository, promotion: Promotion, present: Version | None, *, live: bool
) -> str:
    model, source, target = promotion.model, promotion.source, promotion.environment
    new = version_metrics.of_version(repository, source, model, promotion.version, live=live)
    sources = [f"- {promotion.version.model.version}, which comes: {new.source}"]
    old = None
    if present is not None:
        old = version_metrics.of_version(repository, target, model, present, live=live)
        sources.append(f"- {present.model.version}, which git has in {target.name}: {old.source}")
    committed = version_metrics.baseline(repository, model)
    if committed is None:
        sources.append(f"- baseline: this commit has no models/{model}/{metric_baselines.FILE}")
    metrics = committed.metrics if committed else {}
    rows = [
        (
            name,
            _baseline_cell(metrics.get(name)),
            old.cell(name) if old else NOTHING,
            new.cell(name),
            _verdict(metrics.get(name), name, new),
        )
        for name in _names(metrics, old, new)
    ]
    head = ("metric", "baseline (passes)", f"{target.name} now", "after", "")
    shown = [markdown.table(head, rows)] if rows else []
    return "\n\n".join([*shown, "\n".join(sources)])


def _names(metrics: dict[str, metric_baselines.Metric], *versions: Measured | None) -> list[str]:
    """Those of the baseline first, then what else anybody measured."""
    found = [name for known in versions if known for name in (*(known.found or ()), *known.held)]
    return list(dict.fromkeys([*metrics, *sorted(found)]))


def _baseline_cell(metric: metric_baselines.Metric | None) -> str:
    if metric is None:
        return "none"
    sign = "≥" if metric.better == "higher" else "≤"
    return f"{metric.value:g} ({sign} {metric.limit:g})"


def _verdict(metric: metric_baselines.Metric | None, name: str, new: Measured) -> str:
    if metric is None:
        return "held to nothing"
    if new.found is None:
        return "not measured here"
    (verdict,) = metric_baselines.judge(
        metric_baselines.Baseline(metrics={name: metric}), {name: new.found.get(name)}
    )
    return f"**{verdict.problem}**" if verdict.problem else "passes"


def _rendered(repository: Repository, promotion: Promotion, room: int) -> str:
    try:
        changes = compare.proposed(
            repository, promotion.environment.name, promotion.model, promotion.edits
        )
    except ModelctlError as error:
        # A failed command's words name folders of this machine; a cause of ours does not.
        cause = "Helm failed" if isinstance(error, proc.CommandError) else error.what
        return f"Not rendered here ({cause}): `modelctl diff --base origin/main` on the branch."
    return markdown.objects(changes, room) or "Nothing."


def _checklist(promotion: Promotion, present: Version | None, now: datetime) -> str:
    model, source, target = promotion.model, promotion.source.name, promotion.environment
    version = promotion.version.model.version
    evidence = promotion.evidence
    healthy = evidence.health == "Healthy"
    age = f"for {durations.span(now - evidence.since)} " if evidence.since else ""
    soak = f"{target.name} asks for {target.soak_minutes} min"
    way_back = (
        f"the way back is `modelctl rollback {model} --env {target.name} --pull-request "
        f"--reason '...'`, to {present.model.version}, or the workflow `rollback`"
        if present
        else f"there is no version to go back to: `modelctl retire {model} --env {target.name}`"
    )
    owners = ", ".join(target.approvals)
    steps = [
        (healthy, f"{version} is healthy in {source}: {evidence.health or evidence.note}"),
        # A shorter time would have been refused.
        (True, f"it has been there {age}({evidence.record}); {soak}"),
        (False, "no metric is worse than what serves now, or somebody wants it so"),
        (False, "what it changes in the cluster is what was meant, and nothing else"),
        (False, f"approved by {owners}" if owners else "approved: by whom, your forge says"),
        (False, f"{way_back}; runbooks are in docs/runbooks"),
        (False, f"after the merge: `modelctl wait {model} --env {target.name}`"),
    ]
    return "\n".join(f"- [{'x' if done else ' '}] {' '.join(text.split())}" for done, text in steps)
