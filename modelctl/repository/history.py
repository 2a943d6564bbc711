"""The versions of a model in an environment, from git history.

Follows a renamed environment or model: a commit that removes one version file and adds another
with the same digests moved it, if only one of both names differs, and a former environment is no
longer listed. A commit that also changes the version starts a new history. In a shallow clone
there is no answer, because what is missing looks as if it never was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo
from modelctl.repository.versions import read_version

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

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
    """Every version that was released there up to a commit, newest first.

    Raises ModelctlError in a shallow clone.
    """
    root = repository.root
    gitrepo.require_full_history(root)
    name = str(repository.version_file(environment, model).relative_to(root))
    entries: list[Entry] = []
    while name:
        commits = gitrepo.commits_of(root, root / name, until)
        texts = gitrepo.texts_at(root, [(commit.id, name) for commit in commits])
        former = ""
        for commit, text, before in zip(commits, texts, [*texts[1:], None], strict=False):
            entries.append(Entry(commit, _parse(root / name, text)))
            if text is not None and before is None:  # this commit added it
                removed = gitrepo.removed_files(root, commit, VERSION_FILES)
                former = _former_name(repository, name, entries[-1], removed)
            if former:
                until = f"{commit.id}^1"
                break
        name = former
    return entries


def read_all(repository: Repository) -> dict[str, dict[str, list[Entry]]]:
    """The latest versions of every model by environment and model, newest first.

    Runs git a few times, however many models there are. Empty in a shallow clone.
    """
    root = repository.root
    if gitrepo.is_shallow(root):
        return {}
    logs = gitrepo.commits_of_each(root, VERSION_FILES)
    revisions = [(commit, name) for name, log in logs.items() for commit, _ in log[:MAX_COMMITS]]
    texts = gitrepo.texts_at(root, [(commit.id, name) for commit, name in revisions])
    by_name: dict[str, list[Entry]] = {}
    for (commit, name), text in zip(revisions, texts, strict=True):
        by_name.setdefault(name, []).append(Entry(commit, _parse(root / name, text)))
    removed: dict[str, list[str]] = {}
    for name, log in logs.items():
        for commit, status in log:
            if status == "D":
                removed.setdefault(commit.id, []).append(name)
    entries: dict[str, dict[str, list[Entry]]] = {}
    for name in by_name:
        _, environment, model, _ = name.split("/")
        chain = _chain(repository, name, by_name, logs, removed)
        entries.setdefault(environment, {})[model] = chain
    return entries


def standing(entries: list[Entry]) -> list[Version]:
    """The versions of an environment without those that it went back from; the last is current.

    A version that returns takes those after it away, by a rollback, a revert or by hand.
    """
    versions: list[Version] = []
    for entry in reversed(entries):
        if entry.version is None:
            continue
        if entry.version in versions:
            del versions[versions.index(entry.version) + 1 :]
        else:
            versions.append(entry.version)
    return versions


def same_artifacts(one: Version, other: Version) -> bool:
    """Whether two versions run the same image and bundle, whatever renders them."""
    return (one.image.digest, one.model) == (other.image.digest, other.model)


def _chain(
    repository: Repository,
    name: str,
    by_name: dict[str, list[Entry]],
    logs: dict[str, list[tuple[gitrepo.Commit, str]]],
    removed: dict[str, list[str]],
) -> list[Entry]:
    """The entries of a file and of the names it had before."""
    entries: list[Entry] = []
    start = 0
    while name:
        former = ""
        for entry, (commit, status) in list(zip(by_name[name], logs[name], strict=False))[start:]:
            entries.append(entry)
            if status == "A" and commit.id in removed:
                former = _former_name(repository, name, entry, removed[commit.id])
            if former:
                ids = [one.id for one, _ in logs[former]]
                start = ids.index(commit.id) + 1
                break
        name = former
    return entries


def _former_name(repository: Repository, name: str, entry: Entry, removed: list[str]) -> str:
    """The version file that a commit moved to `name`; empty if there is none, or no telling."""
    if entry.version is None:
        return ""
    _, environment, model, _ = name.split("/")
    known = {other.name for other in repository.environments}
    candidates = []
    for other in removed:
        _, old_environment, old_model, _ = other.split("/")
        is_environment = old_model == model and old_environment not in known
        if is_environment or old_environment == environment:
            candidates.append(other)
    revisions = [(f"{entry.commit.id}^1", other) for other in candidates]
    matching = [
        other
        for other, text in zip(
            candidates, gitrepo.texts_at(repository.root, revisions), strict=True
        )
        if (version := _parse(repository.root / other, text)) is not None
        and same_artifacts(version, entry.version)
    ]
    moved = [other for other in matching if other.split("/")[2] == model] or matching
    return moved[0] if len(moved) == 1 else ""


def _parse(path: Path, text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        return read_version(path, text.encode())
    except ModelctlError:
        return None
