"""Plan a bump: a new build enters the first environment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.bundles import verified
from modelctl.promotion import rules
from modelctl.rendering import charts
from modelctl.repository import edits
from modelctl.repository.environments import ChartVersion, ModelVersion, Version

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.environments import ImageVersion, Repository


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
    rules.require(
        [*rules.bump_violations(environment), *rules.freeze_violations(model, environment, now)]
    )
    return edits.set_version(repository.version_file(environment, model), version)
