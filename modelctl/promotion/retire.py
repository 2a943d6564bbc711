"""Take a model out of an environment: first in git, then its Application in the cluster.

The ApplicationSets create and update but never delete, so that a slip in git takes no running
model away. The price: an Application whose version file is gone errors for ever. It is deleted
here, and only once Argo CD itself has said that the file is gone.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from modelctl import proc
from modelctl.cluster import kube
from modelctl.errors import ModelctlError
from modelctl.promotion import rules
from modelctl.repository import edits
from modelctl.repository.environments import VALUE_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from modelctl.repository.environments import Environment, Repository

FINALIZER = "resources-finalizer.argocd.argoproj.io"
REFRESH = "argocd.argoproj.io/refresh"
SET_REFRESH = "argocd.argoproj.io/application-set-refresh"
DEADLINE_SECONDS = 120
INTERVAL_SECONDS = 1.0
SEEN_FOR_SECONDS = 3.0  # a generator that still knew the model would create it again at once


def plan(
    repository: Repository, environment: Environment, model: str, now: datetime, *, files: bool
) -> list[edits.Edit]:
    """Plan to remove the version file, with `files` the settings and capacity as well."""
    later = [
        other
        for other in repository.after(environment)
        if repository.version_file(other, model).is_file()
    ]
    planned = [edits.remove(repository.version_file(environment, model))]
    if files:
        folder = repository.folder(environment, model)
        planned += [edits.remove(folder / name) for name in ("settings.yaml", "capacity.yaml")]
    if any(edit.changes for edit in planned):
        rules.require(
            [
                *rules.retirement_violations(model, environment, later),
                *rules.freeze_violations(model, environment, now),
            ]
        )
    return planned


def missing_files(repository: Repository, environment: Environment, model: str) -> re.Pattern[str]:
    """What Argo CD says once it sees the same as we do: which of our value files are gone.

    The words of any other failure name the version file too, as an argument of Helm.
    """
    folder = repository.folder(environment, model)
    names = "|".join(re.escape(name) for name in VALUE_FILES if not (folder / name).is_file())
    place = re.escape(str(folder.relative_to(repository.root)))
    return re.compile(rf"{place}/({names}): no such file")


def delete_application(
    application: dict[str, Any], missing: re.Pattern[str], *, keep_running: bool
) -> None:
    """Delete an Application whose version file is gone, with its objects or without.

    Raises ModelctlError when Argo CD still sees the file, or does not finish in two minutes.
    """
    name, namespace = application["metadata"]["name"], application["metadata"]["namespace"]
    target = ("application.argoproj.io", name, f"--namespace={namespace}")
    _refresh(*target, f"{REFRESH}=normal")
    _wait(
        f"Argo CD does not say that the version file of '{name}' is gone",
        lambda: _says(name, missing),
        fix="push the commit that removed it to the branch that Argo CD follows, then run this "
        "again; nothing was deleted",
    )
    for owner in application["metadata"].get("ownerReferences", []):
        if owner["kind"] == "ApplicationSet":
            _forget(owner["name"], namespace, name)
    finalizers = "null" if keep_running else f'["{FINALIZER}"]'
    patch = f'{{"metadata": {{"finalizers": {finalizers}}}}}'
    _kubectl("patch", *target, "--type=merge", f"--patch={patch}")
    _kubectl("delete", *target, "--wait=false", "--ignore-not-found")
    _wait(
        f"Application '{name}' is still being deleted",
        lambda: kube.application(name) is None,
        fix=f"kubectl describe application {name} --namespace {namespace}",
    )
    time.sleep(SEEN_FOR_SECONDS)
    if kube.application(name) is not None:
        raise ModelctlError(
            f"Application '{name}' was created again",
            expected="no generator that knows the model",
            fix=f"kubectl describe applicationset models --namespace {namespace}",
        )


def by_hand(name: str, *, keep_running: bool) -> str:
    """The commands that delete the Application, for somebody who reaches the cluster."""
    if keep_running:
        return f"argocd app delete {name} --cascade=false   # its pods go on"
    return f"argocd app delete {name}   # its pods end"


def _says(name: str, missing: re.Pattern[str]) -> bool:
    application = kube.application(name)
    conditions = (application or {}).get("status", {}).get("conditions", [])
    return any(missing.search(condition.get("message", "")) for condition in conditions)


def _forget(owner: str, namespace: str, name: str) -> None:
    """Let the ApplicationSet read git again, or it would create the Application once more."""
    target = ("applicationset.argoproj.io", owner, f"--namespace={namespace}")
    _refresh(*target, f"{SET_REFRESH}=true")

    def read_again() -> bool:
        found = kube.get_json("get", *target, "--output=json")
        return SET_REFRESH not in found["metadata"].get("annotations", {})

    _wait(
        f"ApplicationSet '{owner}' has not read git again",
        read_again,
        fix=f"look at the log of Argo CD's applicationset-controller; '{name}' was not deleted",
    )


def _refresh(*arguments: str) -> None:
    _kubectl("annotate", "--overwrite", *arguments)


def _kubectl(*arguments: str) -> None:
    proc.run(["kubectl", f"--request-timeout={kube.TIMEOUT_SECONDS}s", *arguments])


def _wait(what: str, done: Callable[[], bool], *, fix: str) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not done():
        if time.monotonic() > end:
            raise ModelctlError(what, expected=f"within {DEADLINE_SECONDS} s", fix=fix)
        time.sleep(INTERVAL_SECONDS)
