"""How the experiments of a checkout stand: dates, arms, versions, and what git says of the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.repository import experiments, gitrepo, variants
from modelctl.repository.experiments import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.experiments import Experiment, State
    from modelctl.repository.gitrepo import Commit


@dataclass(frozen=True)
class Standing:
    """One experiment at a moment. `versions` has what git runs in each arm, empty for nothing."""

    environment: str
    model: str
    experiment: Experiment
    state: State
    versions: dict[str, str]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        content = self.experiment.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {
            "environment": self.environment,
            "model": self.model,
            "state": self.state,
            "versions": self.versions,
            "notes": list(self.notes),
            "experiment": content,
        }


def read(
    repository: Repository, environment: Environment, model: str, now: datetime
) -> Standing | None:
    """The experiment of a model in an environment; None without one. Raises ModelctlError."""
    experiment = experiments.read(repository, environment, model)
    if experiment is None:
        return None
    known = variants.read(repository.folder(environment, model))
    primary = repository.version(environment, model)
    versions = {arm: known[arm].version if arm in known else "" for arm in experiment.variants} | {
        PRIMARY: primary.model.version if primary else ""
    }
    state = experiment.state(now)
    return Standing(
        environment.name,
        model,
        experiment,
        state,
        {arm: versions[arm] for arm in experiment.arms},
        tuple(_notes(repository, environment, model, experiment, state)),
    )


def changes_since_start(
    repository: Repository, environment: Environment, model: str, experiment: Experiment
) -> list[Commit]:
    """The commits that changed the file after the experiment had begun, newest first; that it was
    stopped changes nothing of what it asks."""
    known = _texts(repository.root, experiments.path(repository, environment, model))
    asked = [re.sub(r"(?m)^stopped:.*\n?", "", text or "") for _, text in known]
    return [
        commit
        for (commit, _), text, before in zip(known, asked, [*asked, ""][1:], strict=True)
        if text != before and _when(commit) > experiment.start
    ]


def _notes(
    repository: Repository,
    environment: Environment,
    model: str,
    experiment: Experiment,
    state: State,
) -> Iterator[str]:
    changed = changes_since_start(repository, environment, model, experiment)
    if changed:
        yield (
            f"experiment.yaml changed after its start, last in {changed[0].id[:10]}: what it asks "
            "was not fixed beforehand"
        )
    version = repository.version_file(environment, model)
    promoted = [
        commit
        for commit in gitrepo.commits_of(repository.root, version)
        if experiment.start < _when(commit) < experiment.end
    ]
    if promoted and state != "planned":
        yield (
            f"the version of the primary changed during the experiment, last in "
            f"{promoted[0].id[:10]}: its units met two models"
        )
    if state != "planned":
        yield from _variant_notes(repository, environment, model, experiment)


def _variant_notes(
    repository: Repository, environment: Environment, model: str, experiment: Experiment
) -> Iterator[str]:
    """Which arms had another image or bundle before, within the experiment."""
    for arm in experiment.variants:
        path = variants.path(repository, environment, model, arm)
        known = [
            (commit, ran)
            for commit, text in _texts(repository.root, path)
            if (ran := _artifacts(path, text)) is not None
        ]
        changed = [
            commit
            for (commit, after), (_, before) in pairwise(known)
            if after != before
            if experiment.start < _when(commit) < experiment.end
        ]
        if changed:
            yield (
                f"the version of {arm} changed during the experiment, last in "
                f"{changed[0].id[:10]}: its units met two models"
            )


def _texts(root: Path, path: Path) -> list[tuple[Commit, str | None]]:
    """The commits that changed a file, newest first, each with its text then."""
    commits = gitrepo.commits_of(root, path)
    name = str(path.relative_to(root))
    texts = gitrepo.texts_at(root, [(commit.id, name) for commit in commits])
    return list(zip(commits, texts, strict=True))


def _artifacts(path: Path, text: str | None) -> object:
    """What a variant file runs; None if nothing."""
    try:
        return variants.parse(path, text).content.artifacts if text is not None else None
    except ModelctlError:
        return None


def _when(commit: Commit) -> datetime:
    try:
        return datetime.fromisoformat(commit.when).astimezone(UTC)
    except (ValueError, OverflowError):  # a commit may name any year and any offset
        return datetime.min.replace(tzinfo=UTC)
