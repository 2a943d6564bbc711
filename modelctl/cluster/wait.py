"""Wait until the cluster serves everything that git says of a release: version, settings, chart."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.cluster import kube, snapshot
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import followed, gitrepo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelctl.cluster.snapshot import Releases, Snapshot
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

    # A release and what it lacks.
    Missing = list[tuple[Environment, str, Sequence[str]]]

INTERVAL_SECONDS = 2.0
REFRESH = "argocd.argoproj.io/refresh=normal"
MAX_SHOWN = 10


def wait_until_served(
    repository: Repository,
    releases: Releases,
    seconds: float,
    served: Callable[[Environment, str, Version], None],
) -> list[str]:
    """Wait until pods with the version and settings in git serve, and earlier ones are gone.

    Calls `served` for each release as soon as it does; returns notes. Raises RefusedError at once
    for what is not released or not pushed, ModelctlError on timeout, with what is missing, or if no
    cluster is reachable.
    """
    versions = {
        (environment.name, model): _require_version(repository, environment, model)
        for environment, model in releases
    }
    seen = _look(repository, releases)
    for environment, model in releases:
        inputs = followed.release_inputs(repository, environment, model)
        followed.require_pushed(seen.branch, inputs, f"{environment.name}-{model}")
    waiting, refreshed = list(releases), set[str]()
    end = time.monotonic() + seconds
    while True:
        missing: Missing = []
        for environment, model in waiting:
            version = versions[environment.name, model]
            state = seen.live(environment, model, version)
            ending = _ending(environment, model) if state.is_current else []
            if state.is_current and not ending:
                served(environment, model, version)
            else:
                missing.append((environment, model, [*state.missing, *ending]))
        waiting = [(environment, model) for environment, model, _ in missing]
        if not waiting:
            return seen.notes()
        refreshed |= _refresh(seen, [f"{e.name}-{m}" for e, m in waiting], refreshed)
        if time.monotonic() > end:
            seen = snapshot.with_checks(snapshot.with_refusals(seen, waiting), waiting)
            raise _timeout(seen, missing, seconds)
        time.sleep(INTERVAL_SECONDS)
        seen = _look(repository, waiting)


def _ending(environment: Environment, model: str) -> list[str]:
    """What is left of an earlier rollout although all other pods are those of git."""
    try:
        pods = kube.ending_pods(environment.namespace, model)
    except kube.UnreachableError as error:
        return [f"its pods cannot be read: {error.reason}"]
    return [f"earlier pods still answer: {', '.join(pods)}"] if pods else []


def _require_version(repository: Repository, environment: Environment, model: str) -> Version:
    repository.require_model(environment, model)
    version = repository.version(environment, model)
    if version is None:
        raise RefusedError(
            f"'{model}' is not released in '{environment.name}'",
            fix="list releases: `modelctl status`",
        )
    return version


def _look(repository: Repository, releases: Releases) -> Snapshot:
    """Look at the cluster; and fetch, if Argo CD has a commit that this clone lacks."""
    try:
        seen = snapshot.read(repository, releases, datetime.now(UTC))
    except kube.UnreachableError as error:
        raise ModelctlError(
            f"no cluster reachable: {error.reason}", fix="set KUBECONFIG, or its current context"
        ) from error
    names = (f"{environment.name}-{model}" for environment, model in releases)
    ours = [seen.reports[name] for name in names if name in seen.reports]
    if all(not report.revision or seen.branch.knows(report.revision) for report in ours):
        return seen
    with suppress(proc.CommandError):
        gitrepo.git(repository.root, "fetch", "--quiet", seen.branch.ref.partition("/")[0])
    return snapshot.read(repository, releases, datetime.now(UTC))


def _refresh(seen: Snapshot, names: list[str], done: set[str]) -> set[str]:
    """Request a refresh of each Application once; without permission, Argo CD polls later."""
    targets: dict[str, list[str]] = {}
    for name in names:
        if name in seen.reports and name not in done:
            targets.setdefault(seen.reports[name].namespace, []).append(name)
    for namespace, applications in targets.items():
        words = ("application.argoproj.io", *applications, f"--namespace={namespace}", REFRESH)
        with suppress(proc.CommandError):
            proc.run(["kubectl", "annotate", "--overwrite", *words])
    return {name for applications in targets.values() for name in applications}


def _timeout(seen: Snapshot, missing: Missing, seconds: float) -> ModelctlError:
    lines = []
    for environment, model, lacks in missing:
        key = (environment.namespace, model)
        checks = map(str, seen.checks.get(key, ()))
        what = "; ".join([*lacks, *checks, *seen.refusals.get(key, ())])
        lines.append(f"{environment.name}-{model}: {what}" if len(missing) > 1 else what)
    more = len(lines) - MAX_SHOWN
    if more > 0:
        lines[MAX_SHOWN:] = [f"and {more} more"]
    (environment, model, _), *others = missing
    name = f"{len(missing)} releases" if others else f"{environment.name}-{model}"
    return ModelctlError(
        f"{name}: timed out after {seconds:g} s",
        expected="what git says, Synced, Healthy and served by every pod",
        found="\n    ".join(lines),
        fix="modelctl status",
    )
