"""Wait until the cluster serves the version in git."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.cluster import evidence, kube
from modelctl.errors import ModelctlError, RefusedError

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment, Repository, Version

INTERVAL_SECONDS = 2.0
REFRESH = "argocd.argoproj.io/refresh=normal"


def wait_until_served(
    repository: Repository, environment: Environment, model: str, seconds: float
) -> Version:
    """Wait until the version in git runs everywhere in the environment, and return it.

    Raises ModelctlError on timeout, with what is missing, or if no cluster is reachable.
    """
    version = repository.version(environment, model)
    if version is None:
        raise RefusedError(
            f"'{model}' is not released in '{environment.name}'",
            fix="list releases: `modelctl status`",
        )
    is_refreshed = False
    end = time.monotonic() + seconds
    while missing := _missing(repository, environment, model, version):
        if not is_refreshed:
            is_refreshed = _refresh(f"{environment.name}-{model}")
        if time.monotonic() > end:
            raise ModelctlError(
                f"{environment.name}-{model}: timed out after {seconds:g} s",
                expected=f"{version.model.version} Synced, Healthy and served",
                found="; ".join([*missing, *_refusals(environment, model)]),
                fix="check that the commit is pushed, then `modelctl status`",
            )
        time.sleep(INTERVAL_SECONDS)
    return version


def _missing(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[str]:
    """What is missing until the version is served."""
    current = evidence.from_cluster(repository, environment, model, version)
    if not current.health:
        raise ModelctlError(current.note, fix="set KUBECONFIG, or its current context")
    missing = evidence.health_violations(model, environment, version, current)
    if current.sync not in ("", "Synced"):
        missing.append(f"expected sync status Synced, found {current.sync}")
    return missing


def _refresh(name: str) -> bool:
    """Request a refresh from Argo CD; without permission, or an Application, it polls later."""
    with suppress(kube.UnreachableError, proc.CommandError):
        application = kube.application(name)
        if application is not None:
            namespace = f"--namespace={application['metadata']['namespace']}"
            target = ("application.argoproj.io", name, namespace)
            proc.run(["kubectl", "annotate", "--overwrite", *target, REFRESH])
            return True
    return False


def _refusals(environment: Environment, model: str) -> list[str]:
    """Why pods refused their bundle, the usual cause."""
    with suppress(kube.UnreachableError):
        return [
            f"{line['what']}: {line['fix']}" for line in kube.refusals(environment.namespace, model)
        ]
    return []
