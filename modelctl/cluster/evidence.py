"""Evidence for a version in an environment: from Argo CD if a cluster is reachable, else from git.

The promotion rules that use it are in `promotion/rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelctl.cluster import kube
from modelctl.repository import history

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment, Repository, Version


@dataclass(frozen=True)
class Evidence:
    """A version in an environment: since when, according to which record, and what runs there.

    `since` is None while the version is not committed. `health`, `images` (digests), `bundle`
    (digest) and `sync` are empty if no cluster was queried; `note` says why.
    """

    since: datetime | None
    record: str
    health: str = ""
    images: tuple[str, ...] = ()
    bundle: str = ""
    note: str = ""
    sync: str = ""


def from_git(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    until: str = "HEAD",
) -> Evidence:
    """Evidence from git history: since which commit the version has been there continuously."""
    since = None
    for entry in history.read(repository, environment, model, until):
        if entry.version != version:
            break
        since = datetime.fromisoformat(entry.commit.when)
    record = "since its commit" if since else "not committed yet"
    return Evidence(since, record, note="health not checked")


def from_cluster(
    repository: Repository, environment: Environment, model: str, version: Version
) -> Evidence:
    """Evidence from Argo CD, the Deployment and the service; from git if none is reachable."""
    in_git = from_git(repository, environment, model, version)
    try:
        application = kube.application(f"{environment.name}-{model}")
    except kube.UnreachableError as error:
        note = f"health not checked, no cluster reachable: {error.reason}"
        return replace(in_git, note=note)
    if application is None:
        return replace(in_git, health="Missing", note="")
    status = application.get("status", {})
    health = status.get("health", {}).get("status", "Unknown")
    try:
        deployment = kube.deployment(environment.namespace, model)
    except kube.UnreachableError:  # the model may run in another cluster than Argo CD
        since = status.get("health", {}).get("lastTransitionTime", "")
        record = "since Argo CD last reported a health change"
        images = status.get("summary", {}).get("images", [])
    else:
        since, record = kube.rolled_out_at(deployment), "since its rollout"
        # The image list in the Application's status is often empty.
        images = _images(deployment)
        if health == "Healthy" and not kube.is_rolled_out(deployment):
            health = "Progressing"  # Argo CD has not refreshed yet
    return Evidence(
        since=datetime.fromisoformat(since).astimezone(UTC) if since else in_git.since,
        record=record if since else in_git.record,
        health=health,
        images=tuple(image.rpartition("@")[2] for image in images if "@" in image),
        bundle=_bundle(environment, model),
        sync=status.get("sync", {}).get("status", "Unknown"),
    )


def health_violations(
    model: str, source: Environment, version: Version, evidence: Evidence
) -> list[str]:
    """Why the version is not healthy in `source`; empty if no cluster was queried."""
    release = f"'{model}' in '{source.name}'"
    if evidence.health == "Missing":
        return [f"Argo CD has no Application for {release}; push the commit that released it"]
    violations = []
    if evidence.health not in ("", "Healthy"):
        violations.append(f"{release}: expected health Healthy, found {evidence.health}")
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


def _images(deployment: dict[str, Any]) -> list[str]:
    pod = deployment.get("spec", {}).get("template", {}).get("spec", {})
    return [container["image"] for container in pod.get("containers", [])]


def _bundle(environment: Environment, model: str) -> str:
    try:
        return str(kube.model_info(environment.namespace, model).get("digest", ""))
    except kube.UnreachableError:
        return ""
