"""Run the image pipeline: bump the first environment to a new build, then promote it.

Each step is a command that users and workflows run too, and one commit on the branch `sandbox`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.bundles import Bundle, run_modelctl
from sandbox.environments import Environment, Release, chart_version, models_of, read_releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.gitops import GitOps
    from sandbox.images import Image
    from sandbox.layout import Layout


def deliver(
    layout: Layout,
    gitops: GitOps,
    environment: Environment,
    builds: Mapping[str, tuple[Bundle, Image]],
) -> list[str]:
    """Bump or promote every model in `environment`, one commit each; return their subjects.

    Builds go directly to an environment with `direct`; others promote what all environments before
    them have. A version that was there before is not committed again, so that a rollback stays.
    The chart's version is part of it: a new chart is a new version too.
    Does not push. Raises CommandError when modelctl refuses.
    """
    known = {(r.environment, r.model): r for r in read_releases(gitops.worktree)}
    done = []
    for model in models_of(gitops.worktree, environment.name):
        path = version_file(environment.name, model)
        if environment.direct and model in builds:
            bundle, image = builds[model]
            if _is_new(gitops, path, image.digest, chart_version(gitops.worktree)):
                done += bump(layout, gitops, environment.name, bundle, image)
        elif not environment.direct:
            source = _common([known.get((name, model)) for name in environment.after])
            if source and _is_new(gitops, path, source.image.rpartition("@")[2], source.chart):
                done += promote(layout, gitops, environment.name, model)
    return done


def _common(sources: Sequence[Release | None]) -> Release | None:
    """Return one of the releases if all have the same version, else None."""
    versions = {(each.digest, each.image, each.chart) if each else None for each in sources}
    return sources[0] if len(versions) == 1 else None


def _is_new(gitops: GitOps, path: str, image: str, chart: str) -> bool:
    """Return whether a version file never contained that image, or never that chart."""
    texts = (image, f"chart:\n  version: {chart}\n") if chart else (image,)
    return not all(gitops.ever_contained(path, text) for text in texts)


def version_file(environment: str, model: str) -> str:
    """Return the path of a version file in the repository."""
    return f"environments/{environment}/{model}/version.yaml"


def bump(
    layout: Layout, gitops: GitOps, environment: str, bundle: Bundle, image: Image
) -> list[str]:
    """Commit a new build into an environment; return the commit's subject, if there is one."""
    run_modelctl(
        layout,
        gitops.worktree,
        *("bump", bundle.model, "--env", environment),
        *("--image", str(image), "--bundle", bundle.folder.absolute()),
    )
    subject = f"Bump {bundle.model} to {bundle.version} in {environment}"
    body = f"Image {image}\nBundle {bundle.digest}"
    return _commit(gitops, environment, bundle.model, subject, body)


def promote(
    layout: Layout, gitops: GitOps, environment: str, model: str, *, live: bool = False
) -> list[str]:
    """Commit the promotion of a model into an environment; return the subject, if any.

    With `live` the version's health in the previous environment is checked in the cluster.
    """
    option = "--live" if live else "--no-live"
    run_modelctl(layout, gitops.worktree, "promote", model, "--to", environment, option)
    release = release_of(gitops, environment, model)
    subject = f"Promote {model} {release.version} to {environment}"
    body = f"Image {release.image}\nBundle {release.digest}"
    return _commit(gitops, environment, model, subject, body)


def roll_back(
    layout: Layout,
    gitops: GitOps,
    environment: str,
    model: str,
    reason: str,
    *,
    aborted: bool = False,
) -> list[str]:
    """Commit a rollback to the previous version; return the subject, if anything changed.

    The message is the command's own: its trailers say what was rolled back, and what was aborted.
    """
    words = ("rollback", model, "--env", environment, "--reason", reason, "--output", "json")
    result = run_modelctl(layout, gitops.worktree, *words, *(("--aborted",) if aborted else ()))
    subject, _, body = json.loads(result.stdout)["message"].partition("\n\n")
    return _commit(gitops, environment, model, subject, body)


def release_of(gitops: GitOps, environment: str, model: str) -> Release:
    """Return the release of a model in an environment, which has to exist."""
    return next(
        entry
        for entry in read_releases(gitops.worktree)
        if entry.environment == environment and entry.model == model
    )


def _commit(gitops: GitOps, environment: str, model: str, subject: str, body: str) -> list[str]:
    path = version_file(environment, model)
    return [subject] if gitops.commit([path], f"{subject}\n\n{body}") else []
