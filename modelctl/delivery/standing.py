"""How the experiments of a checkout stand: dates, arms, versions, and what git says of the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from modelctl.errors import RefusedError
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
class ArmChange:
    """Another image or bundle in an arm, while the experiment ran."""

    arm: str
    when: datetime
    commit: str

    def __str__(self) -> str:
        return (
            f"the version of {self.arm} changed on {self.when:%Y-%m-%d %H:%M} UTC "
            f"({self.commit[:10]}), so that its units met two models"
        )

    def as_dict(self) -> dict[str, str]:
        """The same as JSON."""
        return {"arm": self.arm, "when": self.when.isoformat(), "commit": self.commit}


@dataclass(frozen=True)
class Standing:
    """One experiment at a moment. `versions` has what git runs in each arm, empty for nothing.

    With `changed`, oldest first, it is void: what units did is not the doing of one version.
    """

    environment: str
    model: str
    experiment: Experiment
    state: State
    versions: dict[str, str]
    notes: tuple[str, ...]
    changed: tuple[ArmChange, ...] = ()

    def require_valid(self) -> None:
        """Raise RefusedError for an experiment that is void."""
        if not self.changed:
            return
        first = self.changed[0]
        raise RefusedError(
            f"the experiment is void: {first}",
            expected="one image and one bundle in each arm for all its time",
            fix=f"begin another experiment; or analyse the outcomes from before that moment alone: "
            f"--at '{first.when:%Y-%m-%d %H:%M}'",
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        content = self.experiment.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {
            "environment": self.environment,
            "model": self.model,
            "state": self.state,
            "versions": self.versions,
            "notes": list(self.notes),
            "changed": [change.as_dict() for change in self.changed],
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
    changes = arm_changes(repository, environment, model, experiment, now)
    return Standing(
        environment.name,
        model,
        experiment,
        experiment.state(now),
        {arm: versions[arm] for arm in experiment.arms},
        tuple(_notes(repository, environment, model, experiment)),
        tuple(sorted(changes, key=lambda change: change.when)),
    )


def changes_since_start(
    repository: Repository, environment: Environment, model: str, experiment: Experiment
) -> list[Commit]:
    """The commits that changed the file after the experiment had begun, newest first; that it was
    stopped changes nothing of what it asks."""
    known = _texts(repository.root, experiments.path(repository, environment, model))
    asked = [experiments.asked(text or "") for _, text in known]
    return [
        commit
        for (commit, _), text, before in zip(known, asked, [*asked, ""][1:], strict=True)
        if text != before and _when(commit) > experiment.start
    ]


def arm_changes(
    repository: Repository,
    environment: Environment,
    model: str,
    experiment: Experiment,
    now: datetime,
) -> Iterator[ArmChange]:
    """When arms got another image or bundle within the experiment, as far as it has come."""
    until = min(filter(None, (now, experiment.end, experiment.stopped)))
    if until <= experiment.start:
        return
    for arm in experiment.arms:
        if arm == PRIMARY:
            path = repository.version_file(environment, model)
        else:
            path = variants.path(repository, environment, model, arm)
        known = [
            (commit, ran)
            for commit, text in _texts(repository.root, path)
            if (ran := variants.artifacts_in(path, text)) is not None
        ]
        for (commit, after), (_, before) in pairwise(known):
            if after != before and experiment.start < _when(commit) < until:
                yield ArmChange(arm, _when(commit), commit.id)


def _notes(
    repository: Repository, environment: Environment, model: str, experiment: Experiment
) -> Iterator[str]:
    changed = changes_since_start(repository, environment, model, experiment)
    if changed:
        yield (
            f"experiment.yaml changed after its start, last in {changed[0].id[:10]}: what it asks "
            "was not fixed beforehand"
        )
    if gitrepo.is_shallow(repository.root):
        yield f"shallow clone: not known what the arms served before; {gitrepo.UNSHALLOW}"


def _texts(root: Path, path: Path) -> list[tuple[Commit, str | None]]:
    """The commits that changed a file, newest first, each with its text then."""
    commits = gitrepo.commits_of(root, path)
    name = str(path.relative_to(root))
    texts = gitrepo.texts_at(root, [(commit.id, name) for commit in commits])
    return list(zip(commits, texts, strict=True))


def _when(commit: Commit) -> datetime:
    try:
        return datetime.fromisoformat(commit.when).astimezone(UTC)
    except (ValueError, OverflowError):  # a commit may name any year and any offset
        return datetime.min.replace(tzinfo=UTC)
