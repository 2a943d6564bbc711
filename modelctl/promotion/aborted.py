"""The way back from a version that a Rollout aborted: which one it was, and why.

Git is read at the commit that Argo CD had synced, because a notification may come late or twice,
and a Rollout may abort a change of settings, for which no version is to blame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.cluster import evidence, kube
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import aborts, followed, gitrepo, history
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version


def require_version(
    repository: Repository, environment: Environment, model: str, commit: str
) -> Version:
    """The version in git, if it is what was aborted at a commit (default: HEAD).

    Raises RefusedError if git has left it already, or if something else of the release is newer.
    """
    root = repository.root
    at = gitrepo.resolve(root, commit or "HEAD")
    if not at:
        raise ModelctlError(f"--commit {commit}: not a commit of this clone", fix="git fetch")
    entries = history.read(repository, environment, model, at)
    aborted = entries[0].version if entries else None
    current = repository.version(environment, model)
    if aborted is None:
        raise RefusedError(
            f"'{model}' was not released in '{environment.name}' at {at[:12]}",
            fix=f"list its commits: `modelctl history {model} --env {environment.name}`",
        )
    if aborted != current:
        raise RefusedError(
            f"{aborted.model.version} ({short(aborted.model.digest)}) is not in "
            f"'{environment.name}' any more: nothing to roll back",
            found=f"{current.model.version} in git now" if current else "no version in git now",
        )
    inputs = followed.rollout_inputs(repository, environment, model)
    newest = gitrepo.newest_commit(root, inputs, at)
    if newest is None or newest.id != entries[0].commit.id:
        shown = f"{newest.subject} ({short(newest.id)})" if newest else "none"
        raise RefusedError(
            f"the newest change of '{model}' in '{environment.name}' is not its version, so the "
            "version may not be to blame",
            expected=f"{entries[0].commit.subject} ({short(entries[0].commit.id)})",
            found=shown,
            fix=f"git revert {short(newest.id) if newest else at[:12]}; or roll back without "
            "--aborted",
        )
    return aborted


def reason(environment: Environment, model: str, version: Version) -> str:
    """Why the Rollout in the cluster aborted a version. Raises RefusedError if it did not."""
    try:
        found, state = evidence.cluster_abort(environment, model, version)
    except kube.UnreachableError as error:
        raise ModelctlError(
            f"nobody says why '{model}' was aborted in '{environment.name}'",
            expected="a reason, or a cluster that has the Rollout",
            found=error.reason,
            fix="add --reason '...'",
        ) from error
    if found is None:
        raise RefusedError(
            f"{version.model.version} of '{model}' was not aborted in '{environment.name}'",
            expected="a Rollout that aborted it",
            found=state,
            fix="roll back without --aborted, with a reason of your own",
        )
    return found.why


def require_not_aborted(
    repository: Repository, environment: Environment, model: str, version: Version
) -> None:
    """Raise RefusedError for a return to a version that was aborted: it is a new decision."""
    found = aborts.in_history(repository, environment, model, version)
    if found is None or environment.promotion == "auto":
        return
    raise RefusedError(
        f"{version.model.version} of '{model}' was aborted in '{environment.name}' on "
        f"{found.when[:10]} ({short(found.commit)}): {found.why}",
        fix=f"choose another version; or `modelctl promote {model} --to {environment.name} "
        "--override abort --reason '...'`, where the environments before have it",
    )
