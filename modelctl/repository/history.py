"""Which versions a model has had in an environment, from git."""

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
