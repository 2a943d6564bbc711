"""Plan what enters an environment: a new build in the first, a promotion in the later ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl import charts, edits, evidence, rules
from modelctl.bundles import verified
from modelctl.environments import ChartVersion, ModelVersion, Version
from modelctl.errors import ModelctlError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.environments import Environment, ImageVersion, Repository
    from modelctl.evidence import Evidence


def bundle_version(model: str, folder: Path) -> ModelVersion:
    """Version and digest of a bundle, after checking every hash and that it is this model's."""
    bundle = verified(folder)
    name = bundle.manifest["name"]
    if name != model:
        raise RefusedError(
            f"bundle {folder} is of another model",
            expected=model,
            found=name,
            fix=f"give the bundle of {model}",
        )
    return ModelVersion(version=bundle.manifest["version"], digest=bundle.digest)


def bumped(
    repository: Repository,
    model: str,
    environment_name: str,
    *,
    image: ImageVersion | None,
    bundle: ModelVersion | None,
    chart: str,
) -> Version:
    """The version after a bump: what is not given stays, the chart becomes that of the checkout.

    Raises ModelctlError when there is nothing yet that could stay.
    """
    environment = repository.environment(environment_name)
    present = repository.version(environment, model)
    pinned = ChartVersion(version=chart or charts.folder_version(repository.root))
    if image and bundle:
        return Version(image=image, model=bundle, chart=pinned)
    if image or bundle or present is None:
        raise ModelctlError(
            f"no image and bundle for '{model}'",
            expected="--image and --bundle together; neither only to move the chart of a release",
        )
    return present.model_copy(update={"chart": pinned})


def plan_bump(
    repository: Repository, model: str, environment_name: str, version: Version
) -> edits.Edit:
    """Put a new build into an environment that takes builds directly."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    now = datetime.now(UTC)
    rules.require([*rules.refuse_bump(environment), *rules.refuse_frozen(model, environment, now)])
    return edits.set_version(repository.version_file(environment, model), version)


@dataclass(frozen=True)
class Promotion:
    """A version on its way from `source` to `environment`, and what is known of it there."""

    model: str
    source: Environment
    environment: Environment
    version: Version
    evidence: Evidence
    edits: tuple[edits.Edit, ...]
    folder_chart: str  # the version of the chart that the first environment renders

    @property
    def message(self) -> str:
        """The subject of its commit."""
        return f"Promote {self.model} {self.version.model.version} to {self.environment.name}"

    @property
    def changes(self) -> bool:
        """Whether the environment has the version (and settings) not yet."""
        return any(edit.changes for edit in self.edits)

    def notes(self, now: datetime) -> list[str]:
        """What a person should know before they agree."""
        known = describe(self.source, self.version, self.evidence, now)
        return [known, *self._approvals(), *self._chart()]

    def _approvals(self) -> list[str]:
        owners = ", ".join(self.environment.approvals)
        return [f"{self.environment.name} wants the approval of {owners}"] if owners else []

    def _chart(self) -> list[str]:
        """The first environment renders the folder, whatever its version file pins."""
        pinned = self.version.chart.version if self.version.chart else ""
        if self.source.promotion != "auto" or pinned == self.folder_chart:
            return []
        return [
            f"warning: {self.source.name} renders chart {self.folder_chart}, and {pinned} is what "
            f"is promoted; `modelctl bump {self.model} --env {self.source.name}` pins the newer"
        ]


def describe(source: Environment, version: Version, evidence: Evidence, now: datetime) -> str:
    """What is known of a version in one line."""
    age = f"for {rules.span(now - evidence.since)} " if evidence.since else ""
    health = evidence.health or evidence.note
    return f"{version.model.version} in {source.name}: {age}({evidence.record}); {health}"


def plan_promotion(
    repository: Repository,
    model: str,
    environment_name: str,
    *,
    live: bool = True,
    with_settings: bool = False,
) -> Promotion:
    """Copy the version of the environment before it; settings only on request, capacity never."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    source = repository.before(environment)
    version = repository.version(source, model) if source else None
    now = datetime.now(UTC)
    rules.require(rules.refuse_promotion(model, environment, source, version))
    assert source is not None and version is not None  # noqa: S101, PT018 - refused above
    planned = [edits.set_version(repository.version_file(environment, model), version)]
    if with_settings:
        theirs = repository.folder(source, model) / "settings.yaml"
        ours = repository.folder(environment, model) / "settings.yaml"
        planned.append(edits.set_values(ours, theirs))
    # What is there already may stay there: the rules are for what enters.
    changes = any(edit.changes for edit in planned)
    look = evidence.of_cluster if live and changes else evidence.of_git
    found = look(repository, source, model, version)
    chart = charts.folder_version(repository.root)
    promotion = Promotion(model, source, environment, version, found, tuple(planned), chart)
    if changes:
        rules.require(
            [
                *rules.refuse_frozen(model, environment, now),
                *rules.refuse_unhealthy(model, source, version, found),
                *rules.refuse_unsoaked(environment, source, version, found, now),
            ]
        )
    return promotion
