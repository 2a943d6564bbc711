"""How the experiments of a checkout stand: dates, arms, versions, and what git says of the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelctl.repository import experiments, gitrepo, variants
from modelctl.repository.experiments import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """The commits that changed the file after the experiment had begun, newest first."""
    path = experiments.path(repository, environment, model)
    commits = gitrepo.commits_of(repository.root, path)
    return [commit for commit in commits if _when(commit) > experiment.start]


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


def _when(commit: Commit) -> datetime:
    try:
        return datetime.fromisoformat(commit.when).astimezone(UTC)
    except (ValueError, OverflowError):  # a commit may name any year and any offset
        return datetime.min.replace(tzinfo=UTC)
