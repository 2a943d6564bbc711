"""Wait until a release does what git says: synced, rolled out, and answering as its bundle.

Ends early when Kubernetes itself has given the rollout up: that does not mend by waiting.
Must not know how the version came into git, or what happens when it does not arrive.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sandbox import addresses, kube, predictions, rollout, symptoms
from sandbox.bundles import run_modelctl
from sandbox.errors import CommandError, SandboxError, WaitError
from sandbox.sync import Expected
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from sandbox.bundles import Bundle
    from sandbox.environments import Release
    from sandbox.gitops import GitOps
    from sandbox.layout import Layout

# The longest start budget that makes sense for a model, with pulling and Argo CD's polling.
HEALTHY_SECONDS = 600
# For the last requests to a pod that is just ending.
SMOKE_SECONDS = 60
_INTERVAL_SECONDS = 0.5


def wait_healthy(layout: Layout, gitops: GitOps, release: Release) -> str:
    """Wait until the release is Synced and Healthy at the pushed commit; return words.

    Raises WaitError at the deadline, or as soon as it is given up or stays Degraded.
    """
    expected = [Expected(release.name, release.namespace, release.model)]
    living = sys.stdout.isatty()
    shown = rollout.Progress(*([] if living else [_say_nothing]), living=living)
    look = rollout.watching(layout, gitops, expected, shown)

    def probe() -> Answer:
        answer = look()
        if not answer.ready and (reason := given_up(deployment(layout, release), release)):
            raise WaitError(
                f"{release.name} did not roll out",
                found=reason,
                expected="every pod of the new version ready in time",
                fix=f"look at the pods in {release.namespace}, and at `make status`",
                details=symptoms.describe(layout, release.namespace, release.model),
            )
        return answer

    try:
        wait_until(
            f"{release.name} Synced and Healthy",
            probe,
            HEALTHY_SECONDS,
            interval_seconds=_INTERVAL_SECONDS,
        )
    finally:
        shown.close()
    return ", ".join([f"{release.name} Synced, Healthy", *_pods(deployment(layout, release))])


def wait_served(layout: Layout, gitops: GitOps, release: Release, bundle: Bundle | None) -> str:
    """Wait until the digest in git is the one that answers, then run its smoke test.

    Without its bundle at hand only the digest is looked at. Raises WaitError.
    """
    target = addresses.service_target(release.namespace, release.model)
    address = addresses.remembered(layout)[target]
    predictions.check(release, address, bundle)
    if bundle is None:
        return f"{release.digest[:19]} answers at {address.url}"
    said = ""

    def probe() -> Answer:
        nonlocal said
        words = ("smoke", address.url, "--bundle", bundle.folder.absolute())
        try:
            said = run_modelctl(layout, gitops.worktree, *words).stdout.strip()
        except CommandError as error:
            return Answer(False, error.summary)
        return Answer(True, said)

    wait_until(f"{release.name} passes its smoke test", probe, SMOKE_SECONDS)
    return said


def deployment(layout: Layout, release: Release) -> dict[str, Any]:
    """Return the Deployment of a release; empty when there is none, or nobody answers."""
    path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments/{release.model}"
    try:
        return kube.get(layout, path) or {}
    except SandboxError:
        return {}


def given_up(found: dict[str, Any], release: Release) -> str:
    """Return why the rollout of exactly that version was given up; empty while it was not."""
    status = found.get("status", {})
    if status.get("observedGeneration") != found.get("metadata", {}).get("generation"):
        return ""
    pod = found.get("spec", {}).get("template", {}).get("spec", {})
    images = [container.get("image", "") for container in pod.get("containers", [])]
    digest = release.image.rpartition("@")[2]
    if not any(image.endswith(digest) for image in images):
        return ""
    for condition in status.get("conditions", []):
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message", "ProgressDeadlineExceeded"))
    return ""


def _pods(found: dict[str, Any]) -> list[str]:
    ready = found.get("status", {}).get("readyReplicas", 0)
    return [f"{ready} pod{'s' if ready != 1 else ''} ready"] if found else []


def _say_nothing(_: str) -> None:
    """For a log: a line for every state seen would bury the steps."""
