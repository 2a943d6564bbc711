"""What is known of a version where it runs: Argo CD's word when a cluster answers, else git's.

What a promotion makes of it is in `promotion/rules.py`.
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
    """A version in an environment: since when, by which record, and what runs there.

    `since` is None while the version is not committed. `health`, `images` (digests), `bundle`
    (digest) and `sync` are empty where nobody was there to ask; `note` says why.
    """

    since: datetime | None
    record: str
    health: str = ""
    images: tuple[str, ...] = ()
    bundle: str = ""
    note: str = ""
    sync: str = ""


def of_git(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    until: str = "HEAD",
) -> Evidence:
    """The commit since which git has had the version there without a break."""
    since = None
    for entry in history.read(repository, environment, model, until):
        if entry.version != version:
            break
        since = datetime.fromisoformat(entry.commit.when)
    record = "since its commit" if since else "not committed yet"
    return Evidence(since, record, note="health was not looked at")


def of_cluster(
    repository: Repository, environment: Environment, model: str, version: Version
) -> Evidence:
    """What Argo CD, the Deployment and the service say; git's record when none answers."""
    found = of_git(repository, environment, model, version)
    try:
        application = kube.application(f"{environment.name}-{model}")
    except kube.UnreachableError as error:
        return replace(found, note=f"health was not looked at, no cluster: {error.reason}")
    if application is None:
        return replace(found, health="Missing", note="")
    status = application.get("status", {})
    health = status.get("health", {}).get("status", "Unknown")
    try:
        deployment = kube.deployment(environment.namespace, model)
    except kube.UnreachableError:  # the model may run in another cluster than Argo CD
        since = status.get("health", {}).get("lastTransitionTime", "")
        record = "since Argo CD last called it Healthy"
        images = status.get("summary", {}).get("images", [])
    else:
        since, record = kube.rolled_out_at(deployment), "since its rollout"
        # Argo CD's own list of images is often empty.
        images = _images(deployment)
        if health == "Healthy" and not kube.is_rolled_out(deployment):
            health = "Progressing"  # Argo CD has not looked since
    return Evidence(
        since=datetime.fromisoformat(since).astimezone(UTC) if since else found.since,
        record=record if since else found.record,
        health=health,
        images=tuple(image.rpartition("@")[2] for image in images if "@" in image),
        bundle=_bundle(environment, model),
        sync=status.get("sync", {}).get("status", "Unknown"),
    )


def health_violations(
    model: str, source: Environment, version: Version, evidence: Evidence
) -> list[str]:
    """Why what runs in `source` says nothing good of the version; nothing when nobody was asked."""
    release = f"'{model}' in '{source.name}'"
    if evidence.health == "Missing":
        return [f"Argo CD knows no {release}: push the commit that released it there first"]
    found = []
    if evidence.health not in ("", "Healthy"):
        found.append(f"{release} is {evidence.health}, not Healthy")
    if evidence.images and version.image.digest not in evidence.images:
        found.append(
            f"{release} does not run the image in git yet: expected {version.image.digest}, "
            f"found {', '.join(evidence.images)}"
        )
    if evidence.bundle and version.model.digest != evidence.bundle:
        found.append(
            f"{release} does not serve the bundle in git yet: expected {version.model.digest}, "
            f"found {evidence.bundle}"
        )
    return found


def _images(deployment: dict[str, Any]) -> list[str]:
    pod = deployment.get("spec", {}).get("template", {}).get("spec", {})
    return [container["image"] for container in pod.get("containers", [])]


def _bundle(environment: Environment, model: str) -> str:
    try:
        return str(kube.model_info(environment.namespace, model).get("digest", ""))
    except kube.UnreachableError:
        return ""
