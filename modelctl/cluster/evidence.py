"""Evidence for a version in an environment: from Argo CD if a cluster is reachable, else from git.

The promotion rules that use it are in `promotion/rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl.cluster import argocd, kube, live, workload
from modelctl.repository import history
from modelctl.repository.aborts import Abort

if TYPE_CHECKING:
    from modelctl.cluster.workload import Workload
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version


@dataclass(frozen=True)
class Evidence:
    """A version in an environment: since when, according to which record, and what runs there.

    `since` is None and `commit`, which brought the version, empty while it is not committed.
    `health`, `images` (digests) and `bundle` (digest) are empty if nobody was asked; `note` says
    why, or what the health means. `abort` is set if the Rollout gave this version up.
    """

    since: datetime | None
    record: str
    health: str = ""
    images: tuple[str, ...] = ()
    bundle: str = ""
    note: str = ""
    commit: str = ""
    abort: Abort | None = None


def committed(date: str) -> datetime | None:
    """The date of a commit as git prints it; None for one that nobody can have meant."""
    try:
        return datetime.fromisoformat(date)
    except ValueError:  # a commit may name any year and any offset
        return None


def from_git(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    until: str = "HEAD",
) -> Evidence:
    """Evidence from git history: since which commit the version has been there continuously."""
    since, commit = None, ""
    for entry in history.read(repository, environment, model, until):
        if entry.version != version:
            break
        since, commit = committed(entry.commit.when), entry.commit.id
    record = "since its commit" if since else "not committed yet"
    return Evidence(since, record, note="health not checked", commit=commit)


def from_cluster(
    repository: Repository, environment: Environment, model: str, version: Version
) -> Evidence:
    """Evidence from Argo CD and the Deployment or Rollout; from git if none is reachable."""
    in_git = from_git(repository, environment, model, version)
    try:
        application = kube.application(f"{environment.name}-{model}")
    except kube.UnreachableError as error:
        note = f"health not checked, no cluster reachable: {error.reason}"
        return replace(in_git, note=note)
    if application is None:
        return replace(in_git, health="Missing", note="")
    report = argocd.read(application)
    try:
        pods = _workload(environment, model, report.name)
    except kube.UnreachableError:  # the model may run in another cluster than Argo CD
        pods = None
    # The workload tells since when this version runs; the health of Argo CD also changes otherwise.
    since = pods.rolled_out_at if pods else report.since
    record = "since its rollout" if pods else "since Argo CD last reported a health change"
    images = pods.images if pods else report.images
    max_age = argocd.read_max_age(report.namespace)
    state = live.judge(version, report, pods, now=datetime.now(UTC), max_age=max_age)
    return Evidence(
        since=datetime.fromisoformat(since).astimezone(UTC) if since else in_git.since,
        record=record if since else in_git.record,
        health=state.health,
        images=tuple(image.rpartition("@")[2] for image in images if "@" in image),
        bundle=pods.served_digest if pods else "",
        note=state.staleness,
        abort=_abort(environment, version, pods) if pods else None,
    )


def cluster_abort(
    environment: Environment, model: str, version: Version
) -> tuple[Abort | None, str]:
    """The abort of a version that the cluster runs now, and what it runs instead if there is none.

    Raises UnreachableError.
    """
    pods = _workload(environment, model, f"{environment.name}-{model}")
    if pods is None or pods.transition is None:
        return None, "no Rollout"
    abort = _abort(environment, version, pods)
    if abort is None and pods.transition.aborted_at:
        return None, f"another version: {', '.join(pods.images)}"
    return abort, str(pods.transition) or "promoted"


def health_violations(
    model: str, source: Environment, version: Version, evidence: Evidence
) -> list[str]:
    """Why the version is not healthy in `source`; empty if no cluster was queried."""
    release = f"'{model}' in '{source.name}'"
    if evidence.health == "Missing":
        return [f"Argo CD has no Application for {release}; push the commit that released it"]
    violations = []
    if evidence.health not in ("", "Healthy"):
        why = f" ({evidence.note})" if evidence.note else ""
        violations.append(f"{release}: expected health Healthy, found {evidence.health}{why}")
    if evidence.images and version.image.digest not in evidence.images:
        violations.append(
            f"{release} does not run the image in git yet: expected {version.image.digest}, "
            f"found {', '.join(evidence.images)}"
        )
    if evidence.bundle and version.model.digest != evidence.bundle:
        violations.append(
            f"{release} does not serve the bundle in git yet: expected {version.model.digest}, "
            f"found {evidence.bundle}"
        )
    return violations


def _abort(environment: Environment, version: Version, pods: Workload) -> Abort | None:
    """What the Rollout says of a version: its template stays that of the version it gave up."""
    state = pods.transition
    images = [image.rpartition("@")[2] for image in pods.images]
    if state is None or not state.aborted_at:
        return None
    if version.image.digest not in images or version.model.digest != pods.digest:
        return None
    return Abort(environment.name, state.aborted_at, state.message)


def _workload(environment: Environment, model: str, application: str) -> Workload | None:
    """What runs the pods. Raises UnreachableError."""
    found = kube.workloads(environment.namespace, model).get(model)
    return workload.read(found, application) if found else None
