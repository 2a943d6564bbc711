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
from modelctl.errors import UsageError
from modelctl.promotion import bump, rollback, trained
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository.versions import parse_image

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@model_argument
@environment_option("--env", "Environment to write the build into")
@click.option("--image", help="Image as REPOSITORY:TAG@sha256:...")
@bundle_option("folder", "Bundle in the image", required=False)
@click.option("--from", "out", help="Folder or URL of trainings, whose newest bundle is downloaded")
@click.option(
    "--chart-version",
    default="",
    help="Chart version to pin; default: the checkout's, with --from the release's",
)
@pull_request_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    image: str | None,
    folder: Path | None,
    out: str | None,
    chart_version: str,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Write MODEL's image, bundle digest and chart version into the version file.

    The bundle is verified first. Without --image and --bundle only the chart version is written,
    which later environments render once it is promoted. With --from the image stays: it is the
    bundle of the last `modelctl train --out`, unless the environment had that one before.

    \b
    Examples:
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris
      modelctl bump iris --env dev
      modelctl bump iris --env dev --from s3://bundles/models --pull-request
      modelctl bump iris --env dev --image IMAGE --bundle build/bundles/iris --pull-request
    """
    if out and (image or folder):
        raise UsageError("--from excludes --image and --bundle", found="both")
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        repository.require_model(target, model)
        notes: list[str] = []
        if out:
            found = trained.find(repository, model, target, out, chart_version)
            version, notes, place = found.version, found.notes, f"Downloaded from {found.url}"
        else:
            version = bump.next_version(
                repository,
                model,
                environment,
                image=parse_image(image) if image else None,
                bundle=bump.read_bundle_version(model, folder) if folder else None,
                chart=chart_version,
            )
            place = f"Image `{version.image}`"
        edit = bump.plan_bump(repository, model, environment, version)
        if edit.has_changes:
            notes += rollback.withdrawal_notes(repository, target, model, version)
        elif output == "table":
            # Why nothing changes.
            for note in notes:
                click.echo(note)
        request = PullRequest(
            # One branch per model and environment: a newer build goes on top of an older proposal.
            branch=f"bump/{environment}-{model}",
            title=f"Bump {model} to {version.model.version} in {environment}",
            body=f"{place}\nBundle `{version.model.digest}`",
            edits=[edit],
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
