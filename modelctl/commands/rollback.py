"""`modelctl rollback`: return to an earlier version."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.cluster import artifacts
from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    complete_versions,
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
    reason_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.errors import UsageError
from modelctl.promotion import aborted, experiment_rules, rollback
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository import origin
from modelctl.repository.checkout import Repository


@click.command()
@model_argument
@environment_option("--env", "Environment to roll back")
@click.option(
    "--to",
    "wanted",
    shell_complete=complete_versions,
    help="Version, digest of image or bundle, or commit to return to; default: the version before "
    "that was not rolled back itself",
)
@reason_option(
    "Reason, for the commit message; with --aborted by default that of the Rollout in the cluster",
    required=False,
)
@click.option(
    "--aborted",
    "is_aborted",
    is_flag=True,
    help="Record that the version was aborted by its Rollout: it then enters no later environment",
)
@click.option(
    "--commit",
    default="",
    help="Commit that was deployed when it was aborted; default: the newest",
)
@click.option(
    "--break-freeze", is_flag=True, help="End of a freeze for this model, in the same commit"
)
@click.option(
    "--registry/--no-registry",
    "check_artifacts",
    default=True,
    show_default=True,
    help="Check that image, bundle and chart still exist, and that the settings fit the chart",
)
@pull_request_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    wanted: str | None,
    reason: str,
    is_aborted: bool,
    commit: str,
    break_freeze: bool,
    check_artifacts: bool,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Roll back MODEL in an environment to an earlier version from git history.

    A rollback after a rollback goes further back, never to a version that was rolled back itself
    unless --to names it. A freeze also keeps Argo CD from syncing a rollback; --break-freeze ends
    it for this model.

    --aborted is for a canary that was given up: `promote` refuses that version from then on, and
    nothing happens if git has left it already.

    \b
    Examples:
      modelctl rollback iris --env production --aborted
      modelctl rollback iris --env production --reason 'wrong labels for class 2'
      modelctl rollback iris --env production --to 1.0.0 --reason 'as before the fix'
    """
    if not reason and not is_aborted:
        raise UsageError(
            "no reason for the rollback", expected="--reason TEXT", fix="add --reason '...'"
        )
    if commit and not is_aborted:
        raise UsageError("--commit without --aborted", expected="--aborted --commit COMMIT")
    if pull_request:
        here = Repository.find()
        path = here.version_file(here.environment(environment), model)
        origin.require_published(here.root, path)
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        if is_aborted:
            repository.require_model(target, model)
            aborted_version = aborted.require_version(repository, target, model, commit)
            reason = reason or aborted.reason(target, model, aborted_version)
        planned, version = rollback.plan_rollback(
            repository, target, model, wanted, datetime.now(UTC), break_freeze=break_freeze
        )
        current = repository.version(target, model)
        notes = rollback.withdrawal_notes(repository, target, model, version)
        notes += experiment_rules.return_notes(
            repository, target, model, version, datetime.now(UTC)
        )
        if check_artifacts:
            checks = artifacts.check(repository, target, model, version)
            notes += [check.note for check in checks if check.note]
            notes += rollback.chart_notes(repository, target, model, version, planned)
        request = PullRequest(
            branch=f"rollback/{environment}-{model}",
            title=f"Roll back {model} to {version.model.version} in {environment}: {reason}",
            body=f"Image `{version.image}`\nBundle `{version.model.digest}`\n{reason}",
            edits=planned,
            trailers=rollback.trailers(target, model, current, reason, is_aborted=is_aborted)
            if current
            else (),
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
