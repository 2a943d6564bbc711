"""`modelctl bump`: write a new build into the first environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    bundle_option,
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.promotion import bump, rollback
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository.versions import parse_image

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@model_argument
@environment_option("--env", "Environment to write the build into")
@click.option("--image", help="Image as REPOSITORY:TAG@sha256:...")
@bundle_option("folder", "Bundle in the image", required=False)
@click.option("--chart-version", default="", help="Chart version to pin; default: the checkout's")
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
    """Write MODEL's image, bundle digest and chart version into the version file.

    The bundle is verified first. Without --image and --bundle only the chart version is written,
    which later environments render once it is promoted.

    \b
    Examples:
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris
      modelctl bump iris --env dev
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris --pull-request
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        repository.require_model(target, model)
        version = bump.next_version(
            repository,
            model,
            environment,
            image=parse_image(image) if image else None,
            bundle=bump.read_bundle_version(model, folder) if folder else None,
            chart=chart_version,
        )
        edit = bump.plan_bump(repository, model, environment, version)
        notes = []
        if edit.has_changes:
            notes = rollback.withdrawal_notes(repository, target, model, version)
        request = PullRequest(
            # One branch per model and environment: a newer build goes on top of an older proposal.
            branch=f"bump/{environment}-{model}",
            title=f"Bump {model} to {version.model.version} in {environment}",
            body=f"Image `{version.image}`\nBundle `{version.model.digest}`",
            edits=[edit],
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
