"""Play the image pipeline: a new build enters the first environment, then it is promoted.

Each step is a command that people and workflows run too, and one commit on the branch `sandbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.bundles import Bundle, run_modelctl
from sandbox.environments import Environment, Release, chart_version, models_of, read_releases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.gitops import GitOps
    from sandbox.images import Image
    from sandbox.layout import Layout


def enter(
    layout: Layout,
    gitops: GitOps,
    environment: Environment,
    builds: Mapping[str, tuple[Bundle, Image]],
    before: Environment | None,
) -> list[str]:
    """Bring every model's version into `environment`, one commit each; return what was done.

    A build enters directly where environments take builds, otherwise it comes from the
    environment `before`. What was there once does not enter again, so that a rollback stays.
    The chart's version travels with it: another chart is another version, too.
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
        elif before is not None and (before.name, model) in known:
            source = known[before.name, model]
            if _is_new(gitops, path, source.image.rpartition("@")[2], source.chart):
                done += promote(layout, gitops, environment.name, model)
    return done


def _is_new(gitops: GitOps, path: str, image: str, chart: str) -> bool:
    """Tell whether a version file never held that image, or never that chart."""
    held = (image, f"chart:\n  version: {chart}\n") if chart else (image,)
    return not all(gitops.ever_held(path, text) for text in held)


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

    With `live` the cluster is asked whether the version does well where it comes from.
    """
    how = "--live" if live else "--no-live"
    run_modelctl(layout, gitops.worktree, "promote", model, "--to", environment, how)
    release = release_of(gitops, environment, model)
    subject = f"Promote {model} {release.version} to {environment}"
    body = f"Image {release.image}\nBundle {release.digest}"
    return _commit(gitops, environment, model, subject, body)


def roll_back(
    layout: Layout, gitops: GitOps, environment: str, model: str, reason: str
) -> list[str]:
    """Commit the version that was there before; return the subject, if anything changed."""
    words = ("rollback", model, "--env", environment, "--reason", reason)
    run_modelctl(layout, gitops.worktree, *words)
    release = release_of(gitops, environment, model)
    subject = f"Roll back {model} to {release.version} in {environment}: {reason}"
    body = f"Image {release.image}\nBundle {release.digest}"
    return _commit(gitops, environment, model, subject, body)


def release_of(gitops: GitOps, environment: str, model: str) -> Release:
    """Return the release of a model in an environment, which has to be there."""
    return next(
        entry
        for entry in read_releases(gitops.worktree)
        if entry.environment == environment and entry.model == model
    )


def _commit(gitops: GitOps, environment: str, model: str, subject: str, body: str) -> list[str]:
    path = version_file(environment, model)
    return [subject] if gitops.commit([path], f"{subject}\n\n{body}") else []
