"""Which releases a change touches, and what it does to each: a commit against the checkout."""

from __future__ import annotations

import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.rendering import diff, render
from modelctl.repository import changes, gitrepo, yamlfile
from modelctl.repository.environments import FILE, Environment, Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelctl.repository.edits import Edit


@dataclass(frozen=True)
class ReleaseChange:
    """What changes in one release; empty `changes` are never listed."""

    environment: str
    model: str
    changes: list[diff.Change]

    @property
    def name(self) -> str:
        """The name of its Argo CD Application."""
        return f"{self.environment}-{self.model}"


def between(
    repository: Repository, model: str, first: Environment, second: Environment
) -> list[diff.Change]:
    """What differs for a model from one environment to another."""
    helm = render.find_helm(repository.root)
    return diff.changes(
        render.release(repository, first, model, helm),
        render.release(repository, second, model, helm),
    )


def against(repository: Repository, base: str) -> list[ReleaseChange]:
    """What the checkout changes in each release against the commit `base`.

    Only releases whose files changed are rendered; all of them when the chart changed.
    """
    touched = changes.since(repository, base).touched
    if not touched:
        return []
    helm = render.find_helm(repository.root)
    found = []
    with _checkout(repository, base) as before:
        models = sorted({*repository.models(), *(before.models() if before else [])})
        for environment in repository.environments:
            for model in models:
                scopes = {changes.EVERYTHING, environment.name, f"{environment.name}/{model}"}
                if not touched & scopes:
                    continue
                differences = diff.changes(
                    _objects(before, environment.name, model, helm),
                    _objects(repository, environment.name, model, helm),
                )
                if differences:
                    found.append(ReleaseChange(environment.name, model, differences))
    return found


def proposed(
    repository: Repository, environment: str, model: str, planned: Sequence[Edit]
) -> list[diff.Change]:
    """What edits that are not written yet change in one release, against the commit HEAD."""
    helm = render.find_helm(repository.root)
    with _checkout(repository, "HEAD") as files:
        before = _objects(files, environment, model, helm)
        for edit in planned:
            if files is not None and edit.after is not None:
                yamlfile.write(files.root / edit.path.relative_to(repository.root), edit.after)
        return diff.changes(before, _objects(files, environment, model, helm))


def _objects(
    repository: Repository | None, environment: str, model: str, helm: str
) -> list[render.Manifest]:
    if repository is None:
        return []
    for known in repository.environments:
        if known.name == environment and repository.version_file(known, model).is_file():
            return render.release(repository, known, model, helm)
    return []


@contextmanager
def _checkout(repository: Repository, commit: str) -> Iterator[Repository | None]:
    """The files of a commit in a folder that goes away; None when it had no environments."""
    with tempfile.TemporaryDirectory(prefix="modelctl-") as name:
        folder = Path(name)
        gitrepo.export(repository.root, commit, changes.READ_PATHS, folder / "files.tar")
        with tarfile.open(folder / "files.tar") as archive:
            archive.extractall(folder, filter="data")
        yield Repository.find(folder) if (folder / FILE).is_file() else None
