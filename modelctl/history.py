"""Which versions a model has had in an environment, from git, and the way back to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import edits, gitrepo, yamlfile
from modelctl.environments import Version
from modelctl.errors import ModelctlError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.environments import Environment, Repository

VERSION_FILES = "environments/*/*/version.yaml"
LATEST = 10  # commits of a version file that an overview looks at


@dataclass(frozen=True)
class Entry:
    """One commit of a version file; `version` is None when the file was removed or damaged."""

    commit: gitrepo.Commit
    version: Version | None


def read(
    repository: Repository, environment: Environment, model: str, until: str = "HEAD"
) -> list[Entry]:
    """Every version that git says was released there up to a commit, newest first."""
    path = repository.version_file(environment, model)
    entries = []
    for commit in gitrepo.commits_of(repository.root, path, until):
        text = gitrepo.text_at(repository.root, commit.id, path)
        entries.append(Entry(commit, _parse(path, text)))
    return entries


def read_all(repository: Repository) -> dict[str, dict[str, list[Entry]]]:
    """The latest versions of every model by environment and model, newest first.

    Two questions to git, however many models there are.
    """
    logs = gitrepo.commits_of_each(repository.root, VERSION_FILES)
    wanted = [(name, commit) for name, log in logs.items() for commit in log[:LATEST]]
    texts = gitrepo.texts_at(repository.root, [(commit.id, name) for name, commit in wanted])
    found: dict[str, dict[str, list[Entry]]] = {}
    for (name, commit), text in zip(wanted, texts, strict=True):
        _, environment, model, _ = name.split("/")
        entry = Entry(commit, _parse(repository.root / name, text))
        found.setdefault(environment, {}).setdefault(model, []).append(entry)
    return found


def _parse(path: Path, text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        return yamlfile.validate(Version, path, yamlfile.parse(text, path))
    except ModelctlError:
        return None


def rollback_target(entries: list[Entry], current: Version, wanted: str | None) -> Version:
    """The version to go back to: `wanted` by name, else the newest that is not the current one.

    Raises RefusedError when history has no such version.
    """
    earlier = [entry.version for entry in entries if entry.version not in (None, current)]
    for version in earlier:
        if version is not None and wanted in (None, version.model.version):
            return version
    known = sorted({version.model.version for version in earlier if version is not None})
    raise RefusedError(
        f"no earlier version {wanted} in git" if wanted else "no earlier version in git",
        expected=f"one of {', '.join(known)}" if known else "a version released before",
    )


def plan_rollback(
    repository: Repository, environment: Environment, model: str, wanted: str | None
) -> tuple[edits.Edit, Version]:
    """Plan to put an earlier version back; returns the edit and that version."""
    repository.require_model(environment, model)
    current = repository.version(environment, model)
    if current is None:
        raise RefusedError(f"'{model}' is not released in '{environment.name}'")
    target = rollback_target(read(repository, environment, model), current, wanted)
    return edits.set_version(repository.version_file(environment, model), target), target
