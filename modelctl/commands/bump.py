"""`modelctl bump`: a new build enters the first environment."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands._edit import Show
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import propose_or_write, pull_request_option
from modelctl.promotion import bump
from modelctl.promotion.pull_request import Request
from modelctl.repository.environments import Repository, parse_image


@click.command()
@model_argument
@environment_option("--env", "An environment that takes new builds.")
@click.option("--image", help="REPOSITORY:TAG@sha256:... as the registry knows it.")
@click.option(
    "--bundle",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The bundle that is in the image; its digest goes into git.",
)
@click.option("--chart-version", default="", help="The chart to pin; default: the checkout's.")
@pull_request_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    image: str | None,
    folder: Path | None,
    chart_version: str,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Write MODEL's new image, bundle digest and chart version into the version file.

    The bundle is verified first. Without image and bundle only the chart's version is written:
    what a later environment renders once it is promoted.

    \b
    Examples:
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris
      modelctl bump iris --env dev
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris --pull-request
    """
    repository = Repository.find()
    version = bump.bumped(
        repository,
        model,
        environment,
        image=parse_image(image) if image else None,
        bundle=bump.bundle_version(model, folder) if folder else None,
        chart=chart_version,
    )
    edit = bump.plan_bump(repository, model, environment, version)
    message = f"Bump {model} to {version.model.version} in {environment}"
    request = Request(
        # One for each model and environment: a newer build replaces what an older one proposed.
        branch=f"bump/{environment}-{model}",
        title=message,
        body=f"Image `{version.image}`\nBundle `{version.model.digest}`",
        edits=[edit],
    )
    propose_or_write(repository, request, wanted=pull_request, show=Show(dry_run, output))
