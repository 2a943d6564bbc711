"""Judge a release in the cluster by everything that git says: commit, version, chart and pods.

Pure: what Argo CD, the Deployment or Rollout and git say is given. Argo CD's word counts only while
it is current: with its controller gone, it would be Synced and Healthy for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from modelctl.durations import span
from modelctl.repository.followed import SHORT_COMMIT
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from modelctl.cluster.analysis import Check
    from modelctl.cluster.argocd import Report
    from modelctl.cluster.transition import Transition
    from modelctl.cluster.workload import Workload
    from modelctl.repository.followed import Branch
    from modelctl.repository.variants import Variant
    from modelctl.repository.versions import ImageVersion, ModelVersion, Version

MISSING, UNKNOWN, HEALTHY, SYNCED = "Missing", "Unknown", "Healthy", "Synced"


@dataclass(frozen=True)
class Live:
    """The state of one release in the cluster; empty where unknown.

    `sync` and `health` are Argo CD's words as far as they are still true: Unknown once they are out
    of date, OutOfSync if git has a newer commit, Progressing while pods are replaced. `revision` is
    the commit that Argo CD compared at `looked_at` (ISO 8601). `problems` says what differs from
    git, `refusals` why pods refused their bundle, `transition` how far a Rollout has got, `checks`
    what its analyses have found while it is not promoted.
    """

    sync: str = ""
    health: str = ""
    version: str = ""
    digest: str = ""
    revision: str = ""
    looked_at: str = ""
    ready: int | None = None
    wanted: int | None = None
    staleness: str = ""
    problems: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    transition: Transition | None = None
    checks: tuple[Check, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the cluster serves what git says, all of it."""
        return not self.missing

    @property
    def missing(self) -> list[str]:
        """What is missing until the cluster serves what git says."""
        words = (("sync status", SYNCED, self.sync), ("health", HEALTHY, self.health))
        missing = [
            f"expected {what} {wanted}, found {found or 'none'}"
            for what, wanted, found in words
            if found != wanted
        ]
        return [*missing, *self.problems]


NO_APPLICATION = Live(MISSING, MISSING, problems=("Argo CD has no Application",))


def judge(
    version: Version,
    report: Report,
    pods: Workload | None,
    *,
    now: datetime,
    max_age: timedelta | None,
    branch: Branch | None = None,
    inputs: tuple[str, ...] = (),
    can_read_pods: bool = False,
) -> Live:
    """The state of a release whose version in git is `version`.

    `pods` is None where there are none, or they cannot be read (`can_read_pods`). With the `branch`
    that Argo CD follows, changes of the release's `inputs` that are not synced count too.
    """
    stale = staleness(report, now, max_age)
    behind = _unsynced(report, branch, inputs, now)
    sync, health = report.sync, report.health
    if stale:
        sync, health = UNKNOWN, UNKNOWN
    elif behind and sync == SYNCED:
        sync = "OutOfSync"
    if health == HEALTHY and pods and not pods.is_rolled_out:
        health = "Progressing"  # Argo CD has not seen it yet
    served = pods.served_digest if pods else ""
    own = served == version.model.digest
    problems = [stale, behind, _chart(report, version), *report.problems]
    problems += _pod_problems(version, report, pods)
    if can_read_pods and pods is None and report.is_local:
        problems.append("no Deployment and no Rollout")
    return Live(
        sync,
        health,
        version.model.version if own else (pods.version if pods and served else ""),
        served,
        report.revision,
        report.looked_at.isoformat() if report.looked_at else "",
        pods.ready if pods else None,
        pods.wanted if pods else None,
        stale,
        tuple(filter(None, problems)),
        transition=pods.transition if pods else None,
    )


def staleness(report: Report, now: datetime, max_age: timedelta | None) -> str:
    """Why Argo CD's word no longer counts; empty while it does."""
    age = report.age(now)
    if age is None:
        return "Argo CD has not looked yet"
    if max_age is None or age <= max_age:
        return ""
    return f"Argo CD last looked {span(age)} ago ({report.sync}, {report.health} then)"


def _unsynced(report: Report, branch: Branch | None, inputs: tuple[str, ...], now: datetime) -> str:
    if branch is None or not report.revision or not branch.lacks(report.revision, inputs):
        return ""
    commit = branch.newest_commit(inputs)
    if commit is None:
        return f"Argo CD has not seen {branch.ref} yet"
    age = span(now - datetime.fromisoformat(commit.when))
    return f"commit {commit.id[:SHORT_COMMIT]} ({age} ago) is not synced yet"


def _chart(report: Report, version: Version) -> str:
    """The generator may not have seen a new chart version, while the Application is Synced."""
    wanted = version.chart.version if version.chart else ""
    charts = [chart for chart in (report.chart, report.wanted_chart) if chart != wanted]
    if not report.wanted_chart or not charts:
        return ""
    return f"renders chart {charts[0] or 'none'}, git pins {wanted or 'none'}"


def _pod_problems(version: Version, report: Report, pods: Workload | None) -> Iterator[str]:
    yield from _image_problems(version.image, pods.images if pods else report.images)
    if pods is not None:
        yield from _served_problems(version.model, pods)


def _image_problems(image: ImageVersion, images: Sequence[str]) -> Iterator[str]:
    digests = [each.rpartition("@")[2] for each in images if "@" in each]
    if digests and image.digest not in digests:
        yield f"runs another image than in git: {short(digests[0])}"


def _served_problems(model: ModelVersion, pods: Workload) -> Iterator[str]:
    if pods.shortfall:
        yield pods.shortfall
    if pods.served_digest and pods.served_digest != model.digest:
        yield f"serves another bundle than in git: {short(pods.served_digest)}"


def variant_problems(variant: Variant, pods: Workload | None) -> tuple[str, ...]:
    """What differs from git in a variant beside a release; Argo CD knows the release alone."""
    if pods is None:
        found = ["no Deployment"]
    else:
        found = [
            *_image_problems(variant.content.image, pods.images),
            *_served_problems(variant.content.model, pods),
        ]
    return tuple(f"variant {variant.name}: {problem}" for problem in found)


def baseline_problems(
    report: Report | None,
    branch: Branch,
    inputs: tuple[str, ...],
    now: datetime,
    max_age: timedelta | None,
) -> list[str]:
    """What differs from git in a baseline; empty if it has no Application of its own."""
    if report is None:
        return []
    sync = "" if report.sync == SYNCED else report.sync
    problems = [
        staleness(report, now, max_age),
        _unsynced(report, branch, inputs, now),
        sync,
        *report.problems,
    ]
    return list(filter(None, problems))
