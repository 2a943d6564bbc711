"""`modelctl bump`: a new build enters the first environment."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl import promote
from modelctl.commands._edit import dry_run_option, show_and_apply
from modelctl.environments import Repository, Version, parse_image


@click.command()
@click.argument("model")
@click.option("--env", "environment", required=True, help="An environment that takes new builds.")
@click.option("--image", required=True, help="REPOSITORY:TAG@sha256:... as the registry knows it.")
@click.option(
    "--bundle",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The bundle that is in the image; its digest goes into git.",
)
@dry_run_option
def command(model: str, environment: str, image: str, folder: Path, dry_run: bool) -> None:
    """Write MODEL's new image and bundle digest into the environment's version file.

    The bundle is verified first.

    Example: modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris
    """
    repository = Repository.find()
    version = Version(image=parse_image(image), model=promote.bundle_version(model, folder))
    edit = promote.plan_bump(repository, model, environment, version)
    message = f"Bump {model} to {version.model.version} in {environment}"
    show_and_apply(repository, edit, message=message, dry_run=dry_run)
