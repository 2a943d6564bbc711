"""Compare rendered releases: between environments, or a commit with the checkout."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import RefusedError
from modelctl.rendering import diff, render
from modelctl.repository import changes, plain_files, trees, yamlfile
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE, Environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelctl.repository.edits import Edit


@dataclass(frozen=True)
class ReleaseChange:
    """The changes in one release; a release without changes is never listed."""

    environment: str
    model: str
    changes: list[diff.Change]

    @property
    def name(self) -> str:
        """The name of the release's Argo CD Application."""
        return f"{self.environment}-{self.model}"


def between(
    repository: Repository, model: str, first: Environment, second: Environment
) -> list[diff.Change]:
    """The differences of a model between two environments."""
    for environment in (first, second):
        repository.require_model(environment, model)
    helm = render.find_helm(repository.root)
    return diff.changes(
        render.release(repository, first, model, helm),
        render.release(repository, second, model, helm),
    )


def against(repository: Repository, base: str) -> list[ReleaseChange]:
    """The changes of the checkout in each release, compared with the commit `base`.

    Renders only releases whose files changed; all of them if the chart changed.
    """
    changed_files = changes.since(repository, base)
    touched = changed_files.touched
    if irregular := plain_files.violations(repository.root, changed_files.names):
        raise RefusedError("\n".join(irregular))
    if not touched:
        return []
    helm = render.find_helm(repository.root)
    changed = []
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
                    changed.append(ReleaseChange(environment.name, model, differences))
    return changed


def proposed(
    repository: Repository, environment: str, model: str, planned: Sequence[Edit]
) -> list[diff.Change]:
    """The changes of planned edits in one release, compared with the commit HEAD."""
    helm = render.find_helm(repository.root)
    with _checkout(repository, "HEAD") as files:
        before = _objects(files, environment, model, helm)
        _write(repository, files, planned)
        return diff.changes(before, _objects(files, environment, model, helm))


def ensure_rendered(
    repository: Repository, environment: str, model: str, planned: Sequence[Edit]
) -> None:
    """Raise CommandError if Helm cannot render a release of the commit HEAD with planned edits."""
    helm = render.find_helm(repository.root)
    with _checkout(repository, "HEAD") as files:
        _write(repository, files, planned)
        _objects(files, environment, model, helm)


def _write(repository: Repository, files: Repository | None, planned: Sequence[Edit]) -> None:
    for edit in planned:
        if files is not None and edit.after is not None:
            yamlfile.write(files.root / edit.path.relative_to(repository.root), edit.after)


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
    """The files of a commit in a temporary folder; None if it has no environments."""
    with tempfile.TemporaryDirectory(prefix="modelctl-") as name:
        folder = Path(name)
        # Not `git archive`, which leaves out what .gitattributes says.
        files = trees.files(repository.root, commit, changes.READ_PATHS)
        trees.export(repository.root, files, folder)
        yield Repository.find(folder) if (folder / FILE).is_file() else None
