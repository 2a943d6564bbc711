"""`modelctl variant`: other versions beside a release, for A/B tests and as shadows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    bundle_option,
    complete_environments,
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.errors import ModelctlError
from modelctl.promotion import bump, rollback, variant
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository.variants import content_of
from modelctl.repository.versions import parse_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.edits import Edit

name_argument = click.argument("name")
environment_of_release = environment_option("--env", "Environment of the release")
Percent = click.IntRange(0, 100)


@click.group()
def command() -> None:
    """Let other versions serve beside a release for days: arms of an A/B test, and shadows.

    A variant is environments/ENV/MODEL/variants/NAME.yaml, with pods and a Service of its own. A
    canary or blue-green switch of one new version is `rollout.strategy` in settings.yaml instead.

    \b
    Example:
      modelctl variant add iris forest --env production --share 10
    """


@command.command()
@model_argument
@name_argument
@environment_of_release
@click.option(
    "--from",
    "origin",
    default="",
    help="Environment to take the version from: of its variant NAME, else of its release; default: "
    "the previous one",
    shell_complete=complete_environments,
)
@click.option("--image", help="New image as REPOSITORY:TAG@sha256:..., in the first environment")
@bundle_option("folder", "Bundle in the image", required=False)
@click.option("--share", type=Percent, default=0, help="Percentage of the requests")
@click.option("--mirror", type=Percent, default=0, help="Percentage of requests to copy")
@click.option("--match", "header", default="", help="HEADER=VALUE of requests that always get it")
@click.option("--replicas", type=click.IntRange(0), help="Pods; default: as many as the release")
@pull_request_option
@dry_run_option
@output_option
def add(
    model: str,
    name: str,
    environment: str,
    origin: str,
    image: str | None,
    folder: Path | None,
    share: int,
    mirror: int,
    header: str,
    replicas: int | None,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Add the variant NAME to MODEL, or replace it.

    Its version has to have run in every previous environment, for the soak time and with the
    verifications that those ask for. Without --share, --mirror and --match it serves nobody yet.

    \b
    Examples:
      modelctl variant add iris forest --env production --share 10
      modelctl variant add iris next --env production --mirror 100
      modelctl variant add iris forest --env dev --image IMAGE --bundle build/bundles/iris
    """
    if share and mirror:
        raise ModelctlError(
            "a variant is an arm or a shadow",
            expected="--share or --mirror",
            found="both",
        )
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        if image and folder:
            artifacts = parse_image(image), bump.read_bundle_version(model, folder)
        elif image or folder:
            raise ModelctlError(
                f"image or bundle missing for '{name}'",
                expected="--image and --bundle, or neither",
                found="only one of them",
            )
        else:
            artifacts = variant.source_of(repository, target, model, name, origin)
        content = content_of(
            {
                "image": artifacts[0],
                "model": artifacts[1],
                "share": share,
                "mirror": {"percent": mirror} if mirror else None,
                "match": _match(header),
                "replicaCount": replicas,
            }
        )
        edit = variant.plan_add(repository, target, model, name, content, datetime.now(UTC))
        role = f" with {share} %" if share else f" as a shadow of {mirror} %" if mirror else ""
        _propose(
            repository,
            f"Add variant {name} {content.model.version} of {model} to {environment}{role}",
            (environment, model, name),
            [edit],
            pull_request=pull_request,
            display=DisplayOptions(dry_run, output),
        )


@command.command()
@model_argument
@name_argument
@click.argument("percent", type=Percent)
@environment_of_release
@pull_request_option
@dry_run_option
@output_option
def share(
    model: str,
    name: str,
    percent: int,
    environment: str,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Give the variant NAME of MODEL another PERCENT of the requests.

    A share that grows takes users from the release alone; every user of the variant stays. Refused
    while an experiment of MODEL runs, because other shares compare other users.

    \b
    Example:
      modelctl variant share iris forest 25 --env production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        edit = variant.plan_share(repository, target, model, name, percent, datetime.now(UTC))
        _propose(
            repository,
            f"Give variant {name} of {model} {percent} % in {environment}",
            (environment, model, name),
            [edit],
            pull_request=pull_request,
            display=DisplayOptions(dry_run, output),
        )


@command.command()
@model_argument
@name_argument
@environment_of_release
@pull_request_option
@dry_run_option
@output_option
def remove(
    model: str, name: str, environment: str, pull_request: bool, dry_run: bool, output: str
) -> None:
    """Remove the variant NAME of MODEL; the release serves its share again.

    An experiment with this arm is stopped in the same change.

    \b
    Example:
      modelctl variant remove iris next --env production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        planned = variant.plan_remove(repository, target, model, name, datetime.now(UTC))
        _propose(
            repository,
            f"Remove variant {name} of {model} from {environment}",
            (environment, model, name),
            planned,
            pull_request=pull_request,
            display=DisplayOptions(dry_run, output),
        )


@command.command()
@model_argument
@name_argument
@environment_of_release
@pull_request_option
@dry_run_option
@output_option
def promote(
    model: str, name: str, environment: str, pull_request: bool, dry_run: bool, output: str
) -> None:
    """Make the version of the variant NAME the release of MODEL, and remove the variant.

    The release keeps its chart. Freezes and windows hold, as for every promotion. An experiment
    with this arm is stopped in the same change.

    \b
    Example:
      modelctl variant promote iris forest --env production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        version, planned = variant.plan_promote(repository, target, model, name, datetime.now(UTC))
        _propose(
            repository,
            f"Promote variant {name} {version.model.version} of {model} in {environment}",
            (environment, model, name),
            planned,
            pull_request=pull_request,
            display=DisplayOptions(dry_run, output),
            notes=rollback.withdrawal_notes(repository, target, model, version),
        )


def _match(text: str) -> dict[str, str] | None:
    if not text:
        return None
    header, _, value = text.partition("=")
    return {"header": header, "value": value} if value else {"header": header}


def _propose(
    repository: Repository,
    title: str,
    named: tuple[str, str, str],
    planned: Sequence[Edit],
    *,
    pull_request: bool,
    display: DisplayOptions,
    notes: Sequence[str] = (),
) -> None:
    """`named`: environment, model and variant, which have one branch for all changes."""
    branch = f"variant/{'-'.join(named)}"
    request = PullRequest(branch=branch, title=title, body=title, edits=planned)
    propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
