"""The versions of a model in an environment, from git history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo, yamlfile
from modelctl.repository.environments import Version

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.environments import Environment, Repository

VERSION_FILES = "environments/*/*/version.yaml"
MAX_COMMITS = 10  # commits of each version file that an overview reads


@dataclass(frozen=True)
class Entry:
    """One commit of a version file; `version` is None if the file was removed or is invalid."""

    commit: gitrepo.Commit
    version: Version | None


def read(
    repository: Repository, environment: Environment, model: str, until: str = "HEAD"
) -> list[Entry]:
    """Every version that was released there up to a commit, newest first."""
    path = repository.version_file(environment, model)
    entries = []
    for commit in gitrepo.commits_of(repository.root, path, until):
        text = gitrepo.text_at(repository.root, commit.id, path)
        entries.append(Entry(commit, _parse(path, text)))
    return entries


def read_all(repository: Repository) -> dict[str, dict[str, list[Entry]]]:
    """The latest versions of every model by environment and model, newest first.

    Runs git twice, however many models there are.
    """
    logs = gitrepo.commits_of_each(repository.root, VERSION_FILES)
    revisions = [(commit, name) for name, log in logs.items() for commit in log[:MAX_COMMITS]]
    texts = gitrepo.texts_at(repository.root, [(commit.id, name) for commit, name in revisions])
    entries: dict[str, dict[str, list[Entry]]] = {}
    for (commit, name), text in zip(revisions, texts, strict=True):
        _, environment, model, _ = name.split("/")
        entry = Entry(commit, _parse(repository.root / name, text))
        entries.setdefault(environment, {}).setdefault(model, []).append(entry)
    return entries


def _parse(path: Path, text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        return yamlfile.validate_strict(Version, path, text)
    except ModelctlError:
        return None
