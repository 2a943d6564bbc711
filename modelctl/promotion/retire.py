"""Retire a model from an environment: first in git, then its Application in the cluster.

The ApplicationSets create and update but never delete, so that a mistake in git deletes no running
model. The cost: an Application without its version file stays in an error state. It is deleted
here, and only after Argo CD itself reports the file as missing.
"""

from __future__ import annotations

import re
import shlex
import time
from typing import TYPE_CHECKING, Any

from modelctl import proc
from modelctl.cluster import kube
from modelctl.errors import ModelctlError
from modelctl.promotion import rules
from modelctl.repository import edits, experiments, gitrepo, variants
from modelctl.repository.checkout import EXPERIMENT_FILE, OVERRIDE_FILE, VALUE_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

FINALIZER = "resources-finalizer.argocd.argoproj.io"
# What is left of a retired model, unless somebody asks for it to go as well.
OF_THE_MODEL = ("settings.yaml", "capacity.yaml", OVERRIDE_FILE, EXPERIMENT_FILE)
REFRESH = "argocd.argoproj.io/refresh"
SET_REFRESH = "argocd.argoproj.io/application-set-refresh"
DEADLINE_SECONDS = 120
INTERVAL_SECONDS = 1.0
SETTLE_SECONDS = 3.0  # a generator that still lists the model recreates its Application at once


def plan(
    repository: Repository, environment: Environment, model: str, now: datetime, *, files: bool
) -> list[edits.Edit]:
    """Plan to remove the version files and, with `files`, the other files of the model."""
    later = [
        other
        for other in repository.after(environment)
        if repository.version_file(other, model).is_file()
    ]
    following = [
        other
        for other in repository.environments
        if environment in repository.previous(other)
        and other not in later
        and repository.folder(other, model).is_dir()
    ]
    planned = [edits.remove(repository.version_file(environment, model))]
    folder = repository.folder(environment, model)
    planned += [edits.remove(path) for path in variants.paths(folder)]
    if not files:
        planned += experiments.plan_stop(repository, environment, model, now)
    else:
        planned += [edits.remove(folder / name) for name in OF_THE_MODEL]
    if any(edit.has_changes for edit in planned):
        rules.ensure_allowed(
            [
                *rules.retirement_violations(model, environment, later),
                *(rules.set_up_violations(model, environment, following) if files else []),
                *rules.freeze_violations(model, environment, now),
            ]
        )
    return planned


def return_commands(repository: Repository, environment: Environment, model: str) -> list[str]:
    """The commands that bring a retired model back as it was; none if git never had it."""
    root = repository.root
    path = repository.version_file(environment, model)
    commits = gitrepo.commits_of(root, path)
    if not commits:
        return []
    # Before the commit that removed it, or now if that one is still to be made.
    is_removed = gitrepo.text_at(root, "HEAD", path) is None
    commit = gitrepo.resolve(root, f"{commits[0].id}^1" if is_removed else "HEAD")
    folder = str(path.parent.relative_to(root))
    known = gitrepo.git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", folder)
    names = [name for name in known.split("\0") if name and _is_gone(root, commit, name)]
    message = f"Release {model} in {environment.name} again"
    return [
        shlex.join(["git", "restore", f"--source={commit}", "--", *names]),
        shlex.join(["git", "add", "--", *names]),
        shlex.join(["git", "commit", "-m", message]),
    ]


def _is_gone(root: Path, commit: str, name: str) -> bool:
    """Whether a file was removed since a commit, or is an experiment that was only stopped."""
    path = root / name
    if not path.is_file():
        return True
    if path.name != EXPERIMENT_FILE:
        return False
    before, now = gitrepo.text_at(root, commit, path) or "", path.read_text(encoding="utf-8")
    return before != now and experiments.asked(before) == experiments.asked(now)


def missing_files(repository: Repository, environment: Environment, model: str) -> re.Pattern[str]:
    """Argo CD's error once it has seen the commit: one of the removed value files is missing.

    Other errors mention the version file too, as an argument of Helm.
    """
    folder = repository.folder(environment, model)
    names = "|".join(re.escape(name) for name in VALUE_FILES if not (folder / name).is_file())
    path = re.escape(str(folder.relative_to(repository.root)))
    # The pattern of the variants includes the settings, and Argo CD expands it first.
    return re.compile(rf"{path}/({names}): no such file|{path}/\S+ matched no files")


def delete_application(
    application: dict[str, Any], missing: re.Pattern[str], *, keep_running: bool
) -> None:
    """Delete an Application whose version file was removed, with or without its objects.

    Raises ModelctlError if Argo CD still sees the file, or on timeout.
    """
    name, namespace = application["metadata"]["name"], application["metadata"]["namespace"]
    target = ("application.argoproj.io", name, f"--namespace={namespace}")
    _refresh(*target, f"{REFRESH}=normal")
    _wait(
        f"Argo CD still sees the version file of '{name}'",
        lambda: _reports_missing(name, missing),
        fix="push the commit that removed it to the branch that Argo CD follows, then run this "
        "command again; nothing was deleted",
    )
    for owner in application["metadata"].get("ownerReferences", []):
        if owner["kind"] == "ApplicationSet":
            _refresh_application_set(owner["name"], namespace, name)
    finalizers = "null" if keep_running else f'["{FINALIZER}"]'
    patch = f'{{"metadata": {{"finalizers": {finalizers}}}}}'
    _kubectl("patch", *target, "--type=merge", f"--patch={patch}")
    _kubectl("delete", *target, "--wait=false", "--ignore-not-found")
    _wait(
        f"Application '{name}' is not deleted",
        lambda: kube.application(name) is None,
        fix=f"kubectl describe application {name} --namespace {namespace}",
    )
    time.sleep(SETTLE_SECONDS)
    if kube.application(name) is not None:
        raise ModelctlError(
            f"Application '{name}' was recreated",
            expected="no ApplicationSet generator that lists the model",
            fix=f"kubectl describe applicationset models --namespace {namespace}",
        )


def manual_command(name: str, *, keep_running: bool) -> str:
    """The command that deletes the Application, for someone with access to the cluster."""
    if keep_running:
        return f"argocd app delete {name} --cascade=false   # orphans its pods"
    return f"argocd app delete {name}   # deletes its pods"


def _reports_missing(name: str, missing: re.Pattern[str]) -> bool:
    application = kube.application(name)
    conditions = (application or {}).get("status", {}).get("conditions", [])
    return any(missing.search(condition.get("message", "")) for condition in conditions)


def _refresh_application_set(owner: str, namespace: str, name: str) -> None:
    """Make the ApplicationSet read git again, or it would recreate the Application."""
    target = ("applicationset.argoproj.io", owner, f"--namespace={namespace}")
    _refresh(*target, f"{SET_REFRESH}=true")

    def is_refreshed() -> bool:
        application_set = kube.get_json("get", *target, "--output=json")
        return SET_REFRESH not in application_set["metadata"].get("annotations", {})

    _wait(
        f"ApplicationSet '{owner}' is not refreshed",
        is_refreshed,
        fix=f"check the log of Argo CD's applicationset-controller; '{name}' was not deleted",
    )


def _refresh(*arguments: str) -> None:
    _kubectl("annotate", "--overwrite", *arguments)


def _kubectl(*arguments: str) -> None:
    proc.run(["kubectl", f"--request-timeout={kube.TIMEOUT_SECONDS}s", *arguments])


def _wait(problem: str, is_done: Callable[[], bool], *, fix: str) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not is_done():
        if time.monotonic() > end:
            raise ModelctlError(f"{problem}: timed out after {DEADLINE_SECONDS} s", fix=fix)
        time.sleep(INTERVAL_SECONDS)
