"""Versions that a Rollout aborted, as git knows them: a trailer of the commit that went back.

A record beside the version file would be gone with the next version; commits stay. A forge keeps
the trailers of a merged request, squashed or not, because they end its text too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from modelctl.repository import gitrepo, history
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import ImageVersion, ModelVersion

    # A commit of a version file, when it was made (ISO 8601), and the version since then.
    Run = tuple[str, str, Version | None]

TRAILER = "Aborted"
REASON_TRAILER = "Rollback-reason"


@dataclass(frozen=True)
class Abort:
    """A version that was aborted in an environment: when (ISO 8601), in which commit, and why."""

    environment: str
    when: str
    why: str
    commit: str = ""


def trailer(environment: Environment, model: str, version: Version) -> str:
    """The line of a commit message that names an aborted version."""
    return f"{TRAILER}: {environment.name}/{model}: {_identity(version)}"


def in_history(
    repository: Repository, environment: Environment, model: str, version: Version
) -> Abort | None:
    """The abort of a version in an environment, as the branch that is checked out knows it."""
    return find(repository.root, environment, _runs(repository, environment, model), version)


def of_variant(
    repository: Repository,
    environment: Environment,
    model: str,
    artifacts: tuple[ImageVersion, ModelVersion],
    commit: str = "HEAD",
) -> Abort | None:
    """The abort of a version that is to be a variant, as known up to a commit.

    A variant has the chart of the release beside it, so that an abort of a chart says nothing of
    it.
    """
    runs = _runs(repository, environment, model, commit)
    image, bundle = artifacts
    chart = runs[0][2].chart if runs and runs[0][2] else None
    version = Version(image=image, model=bundle, chart=chart)
    return find(repository.root, environment, runs, version)


def _runs(
    repository: Repository, environment: Environment, model: str, commit: str = "HEAD"
) -> list[Run]:
    entries = history.read(repository, environment, model, commit)
    return [(entry.commit.id, entry.commit.when, entry.version) for entry in entries]


def find(
    root: Path, environment: Environment, runs: Sequence[Run], version: Version
) -> Abort | None:
    """The abort that ended the newest run of a version; None if none did, or it runs now.

    `runs` are those of one version file on the target branch, newest first. Image and bundle tell
    a version, so that a new chart does not bring it back; and the chart, where only that went back.
    """
    if not runs or runs[0][2] == version:
        return None
    for (commit, when, successor), (_, _, ran) in pairwise(runs):
        if ran is None or not history.same_artifacts(ran, version):
            continue
        is_only_chart = successor is not None and history.same_artifacts(successor, ran)
        if is_only_chart and ran.chart != version.chart:
            continue
        named = gitrepo.trailers(root, commit, TRAILER)
        if not any(line.endswith(f": {_identity(ran)}") for line in named):
            return None
        return Abort(environment.name, when, _reason(root, commit), commit)
    return None


def reasons(root: Path, commits: Iterable[str]) -> dict[str, str]:
    """Why each of these commits went back from an aborted version; those that did not are left out.

    One git process, as long as nothing was ever aborted.
    """
    named = _with_trailer(root, TRAILER, commits)
    return {commit: f"aborted: {_reason(root, commit)}" for commit in named}


def rollback_reasons(root: Path, commits: Iterable[str]) -> dict[str, str]:
    """The reasons that commits have on record as rollbacks, an abort's called that."""
    commits = list(commits)
    named = _with_trailer(root, REASON_TRAILER, commits)
    return {commit: _reason(root, commit) for commit in named} | reasons(root, commits)


def reason_in(message: str, environment: str, model: str) -> str:
    """The reason in a message that `modelctl rollback` worded; empty in any other one."""
    subject = rf"Roll back {re.escape(model)} to \S+ in {re.escape(environment)}: (\S.*)"
    match = re.match(subject, message)
    return match[1] if match else ""


def _with_trailer(root: Path, key: str, commits: Iterable[str]) -> list[str]:
    """Those with a trailer themselves, and merges that bring one."""
    named = set(gitrepo.git(root, "log", "--format=%H", f"--grep=^{key}: ").split())
    if not named:
        return []
    named.update(gitrepo.git(root, "rev-list", "--merges", "HEAD").split())
    return [each for each in named.intersection(commits) if gitrepo.trailers(root, each, key)]


def _reason(root: Path, commit: str) -> str:
    return next(iter(gitrepo.trailers(root, commit, REASON_TRAILER)), "no reason on record")


def _identity(version: Version) -> str:
    """All that tells a version, on one line; environments and models may be renamed."""
    chart = version.chart.version if version.chart else "-"
    return f"{version.model.version} {version.model.digest} {version.image.digest} {chart}"
