"""Plan a bump: write a new build into the first environment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.bundles import verify_bundle
from modelctl.promotion import experiment_rules, rules
from modelctl.rendering import charts
from modelctl.repository import edits
from modelctl.repository.experiments import PRIMARY
from modelctl.repository.versions import ModelVersion, Version, parse_chart_version

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.versions import ImageVersion


def read_bundle_version(model: str, folder: Path) -> ModelVersion:
    """Verify a bundle and return its version and digest. Raises RefusedError."""
    bundle = verify_bundle(folder)
    name = bundle.manifest["name"]
    if name != model:
        raise RefusedError(
            f"bundle {folder} belongs to another model",
            expected=model,
            found=name,
            fix=f"pass the bundle of {model}",
        )
    return model_version(f"bundle {folder}", bundle.manifest["version"], bundle.digest)


def model_version(where: str, version: str, digest: str) -> ModelVersion:
    """A version and its digest as a version file has them. Raises RefusedError."""
    try:
        return ModelVersion(version=version, digest=digest)
    except ValidationError as error:
        raise RefusedError(
            f"{where} has a version that no version file may have",
            expected="at most 128 letters, digits and `._+-`, the first a letter or a digit",
            found=str(version)[:128],
            fix="choose another version in the training code, and package the model again",
        ) from error


def next_version(
    repository: Repository,
    model: str,
    environment_name: str,
    *,
    image: ImageVersion | None,
    bundle: ModelVersion | None,
    chart: str,
) -> Version:
    """The version after a bump: `chart`, or the checkout's, and what is given of image and bundle.

    Raises ModelctlError if only one of them is given, or none and nothing is released yet.
    """
    environment = repository.environment(environment_name)
    current = repository.version(environment, model)
    pinned = parse_chart_version(chart or charts.folder_version(repository.root))
    if image and bundle:
        return Version(image=image, model=bundle, chart=pinned)
    if image or bundle or current is None:
        given = "only one of them" if image or bundle else "neither, and no release to update"
        raise ModelctlError(
            f"image or bundle missing for '{model}'",
            expected="--image and --bundle, or neither to update the chart of a release",
            found=given,
        )
    return current.model_copy(update={"chart": pinned})


def plan_bump(
    repository: Repository, model: str, environment_name: str, version: Version
) -> edits.Edit:
    """Plan to write a new build into an environment that accepts builds directly."""
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    now = datetime.now(UTC)
    rules.ensure_allowed(
        [
            *rules.bump_violations(environment),
            *rules.freeze_violations(model, environment, now),
            *rules.window_violations(model, environment, now),
            *experiment_rules.change_violations(
                repository, environment, model, PRIMARY, (version.image, version.model), now
            ),
        ]
    )
    return edits.set_version(repository.version_file(environment, model), version)
