"""Wait until a release serves the version in git: synced, rolled out, and passing its smoke test.

`modelctl wait` is not used for it, because users would lose three things: the status line while
Argo CD works, the end as soon as Kubernetes gives a rollout up (the command waits until its
deadline), and the symptoms of pods that are not scheduled, cannot pull or crash (the command
reports refused bundles only).
Must not know how the version came into git, or what happens when the wait fails.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from sandbox import addresses, argocd, kube, predictions, rollout, symptoms
from sandbox.bundles import run_modelctl
from sandbox.errors import AbortedError, CommandError, SandboxError, WaitError
from sandbox.sync import Expected
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.bundles import Bundle
    from sandbox.environments import Release
    from sandbox.gitops import GitOps
    from sandbox.layout import Layout

# The longest start budget that makes sense for a model, with pulling and Argo CD's polling.
HEALTHY_SECONDS = 600
# For the last requests to a pod that is just ending.
SMOKE_SECONDS = 60
_INTERVAL_SECONDS = 0.5
DEPLOYMENTS = "apps/v1/namespaces/{}/deployments"
REPLICA_SETS = "apps/v1/namespaces/{}/replicasets"
# In the message of a Deployment's condition.
NAMED_REPLICA_SET = re.compile(r'ReplicaSet "([^"]+)"')
ROLLOUTS = "argoproj.io/v1alpha1/namespaces/{}/rollouts"


def wait_healthy(layout: Layout, gitops: GitOps, release: Release) -> str:
    """Wait until the release is Synced and Healthy at the pushed commit; return a summary.

    Raises WaitError at the deadline, or as soon as the rollout has failed or stays Degraded.
    """
    expected = [Expected(release.name, release.namespace, release.model)]
    is_tty = sys.stdout.isatty()
    display = rollout.RolloutDisplay(*([] if is_tty else [_discard]), is_tty=is_tty)
    applications = rollout.applications_probe(layout, gitops, expected, display)

    def replica_set(name: str) -> dict[str, Any]:
        return _get(layout, f"{REPLICA_SETS.format(release.namespace)}/{name}")

    def probe() -> Answer:
        answer = applications()
        if answer.ready:
            return answer
        if reason := abort_reason(_read(layout, release, ROLLOUTS), release):
            raise AbortedError(
                f"the canary of {release.name} was aborted",
                found=reason,
                expected="a new version that no check fails",
                fix=f"inspect the AnalysisRuns in {release.namespace}",
            )
        deployment = read_deployment(layout, release)
        if reason := rollout_failure(deployment, release, replica_set):
            raise WaitError(
                f"the rollout of {release.name} failed",
                found=reason,
                expected="every pod of the new version ready in time",
                fix=f"inspect the pods in {release.namespace}, then run `make status`",
                details=symptoms.describe(layout, release.namespace, release.model),
            )
        return answer

    deployments = f"/apis/apps/v1/namespaces/{release.namespace}/deployments"
    try:
        with kube.watching(layout, argocd.APPLICATIONS, deployments) as pause:
            wait_until(
                f"{release.name} Synced and Healthy",
                probe,
                HEALTHY_SECONDS,
                interval_seconds=_INTERVAL_SECONDS,
                pause=pause,
            )
    finally:
        display.close()
    ready_pods = _ready_pods(read_deployment(layout, release))
    return ", ".join([f"{release.name} Synced, Healthy", *ready_pods])


def wait_served(layout: Layout, gitops: GitOps, release: Release, bundle: Bundle | None) -> str:
    """Wait until the service reports the digest in git, then run its smoke test.

    Without its bundle only the digest is compared. Raises WaitError.
    """
    target = addresses.service_target(release.namespace, release.model)
    address = addresses.read_addresses(layout)[target]
    predictions.check(release, address, bundle)
    if bundle is None:
        return f"{address.url} serves {release.digest[:19]}"
    summary = ""

    def probe() -> Answer:
        nonlocal summary
        words = ("smoke", address.url, "--bundle", bundle.folder.absolute())
        try:
            summary = run_modelctl(layout, gitops.worktree, *words).stdout.strip()
        except CommandError as error:
            return Answer(False, error.summary)
        return Answer(True, summary)

    wait_until(f"smoke test of {release.name} passed", probe, SMOKE_SECONDS)
    return summary


def read_deployment(layout: Layout, release: Release) -> dict[str, Any]:
    """Return the Deployment of a release; empty when it or the API server is absent."""
    return _read(layout, release, DEPLOYMENTS)


def abort_reason(rollout: dict[str, Any], release: Release) -> str:
    """Return why Argo Rollouts gave up exactly that version; empty while it has not."""
    status = rollout.get("status", {})
    generation = str(rollout.get("metadata", {}).get("generation", ""))
    is_seen = str(status.get("observedGeneration", "")) == generation
    if not is_seen or not status.get("abort") or not _has_image(rollout, release):
        return ""
    return str(status.get("message") or "RolloutAborted")


def _read(layout: Layout, release: Release, kind: str) -> dict[str, Any]:
    return _get(layout, f"{kind.format(release.namespace)}/{release.model}")


def _get(layout: Layout, path: str) -> dict[str, Any]:
    path = f"/apis/{path}"
    try:
        return kube.get(layout, path) or {}
    except SandboxError:
        return {}


def rollout_failure(
    deployment: dict[str, Any], release: Release, replica_set: Callable[[str], dict[str, Any]]
) -> str:
    """Return why Kubernetes gave up the rollout of exactly that version; empty while it has not.

    After a way back the controller says for a moment that it has seen the new template, and in the
    same status still that the ReplicaSet of the one before made no progress. `replica_set` looks
    up which revision that one has.
    """
    status = deployment.get("status", {})
    if status.get("observedGeneration") != deployment.get("metadata", {}).get("generation"):
        return ""
    if not _has_image(deployment, release):
        return ""
    for condition in status.get("conditions", []):
        if condition.get("reason") != "ProgressDeadlineExceeded":
            continue
        reason = str(condition.get("message", "ProgressDeadlineExceeded"))
        named = NAMED_REPLICA_SET.search(reason)
        if named is None or _revision(replica_set(named[1])) == _revision(deployment):
            return reason
    return ""


def _revision(workload: dict[str, Any]) -> str:
    annotations = workload.get("metadata", {}).get("annotations", {})
    return str(annotations.get("deployment.kubernetes.io/revision", ""))


def _has_image(workload: dict[str, Any], release: Release) -> bool:
    pod = workload.get("spec", {}).get("template", {}).get("spec", {})
    images = [container.get("image", "") for container in pod.get("containers", [])]
    digest = release.image.rpartition("@")[2]
    return any(image.endswith(digest) for image in images)


def _ready_pods(deployment: dict[str, Any]) -> list[str]:
    ready = deployment.get("status", {}).get("readyReplicas", 0)
    return [f"{ready} pod{'s' if ready != 1 else ''} ready"] if deployment else []


def _discard(_: str) -> None:
    """In a log, a line for every state would bury the steps."""
