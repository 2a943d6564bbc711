"""Wait until the cluster serves what git says: the question after every push."""

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


def until_served(
    repository: Repository, environment: Environment, model: str, seconds: float
) -> Version:
    """The version in git, once it runs everywhere in the environment.

    Raises ModelctlError with what is missing when it does not in time, or when no cluster answers.
    """
    version = repository.version(environment, model)
    if version is None:
        raise RefusedError(f"'{model}' is not released in '{environment.name}'")
    refreshed = False
    end = time.monotonic() + seconds
    while missing := _missing(repository, environment, model, version):
        if not refreshed:
            refreshed = _refresh(f"{environment.name}-{model}")
        if time.monotonic() > end:
            raise ModelctlError(
                f"{environment.name}-{model} does not serve {version.model.version} yet",
                expected=f"within {seconds:g} s",
                found="; ".join([*missing, *_refusals(environment, model)]),
                fix="look at `modelctl status`; a commit that was not pushed is never served",
            )
        time.sleep(INTERVAL_SECONDS)
    return version


def _missing(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[str]:
    """What keeps us from saying that it is served."""
    found = evidence.of_cluster(repository, environment, model, version)
    if not found.health:
        raise ModelctlError(f"nobody to ask: {found.note}", fix="set KUBECONFIG, or its context")
    missing = evidence.health_violations(model, environment, version, found)
    if found.sync not in ("", "Synced"):
        missing.append(f"Argo CD says {found.sync}")
    return missing


def _refresh(name: str) -> bool:
    """Have Argo CD look at git now; without the right to, or before it is there, it looks later."""
    with suppress(kube.UnreachableError, proc.CommandError):
        application = kube.application(name)
        if application is not None:
            place = f"--namespace={application['metadata']['namespace']}"
            target = ("application.argoproj.io", name, place)
            proc.run(["kubectl", "annotate", "--overwrite", *target, REFRESH])
            return True
    return False


def _refusals(environment: Environment, model: str) -> list[str]:
    """The words of pods that refuse their bundle: the usual reason."""
    with suppress(kube.UnreachableError):
        return [
            f"{line['what']}: {line['fix']}" for line in kube.refusals(environment.namespace, model)
        ]
    return []
