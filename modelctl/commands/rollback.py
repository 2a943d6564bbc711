"""`modelctl rollback`: return to an earlier version."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.cluster import artifacts
from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import propose_or_write, pull_request_option
from modelctl.promotion import rollback
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository.environments import Repository


@click.command()
@model_argument
@environment_option("--env", "Environment to roll back")
@click.option("--to", "wanted", help="Version to return to; default: the previous one")
@click.option("--reason", required=True, help="Reason, for the commit message")
@click.option(
    "--break-freeze", is_flag=True, help="End of a freeze for this model, in the same commit"
)
@click.option(
    "--registry/--no-registry",
    "check_artifacts",
    default=True,
    show_default=True,
    help="Check that image and bundle still exist where pods pull them from",
)
@pull_request_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    wanted: str | None,
    reason: str,
    break_freeze: bool,
    check_artifacts: bool,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Roll back MODEL in an environment to an earlier version from git history.

    A freeze also keeps Argo CD from syncing a rollback; --break-freeze ends it for this model.

    Example: modelctl rollback iris --env production --reason 'wrong labels for class 2'
    """
    repository = Repository.find()
    target = repository.environment(environment)
    planned, version = rollback.plan_rollback(
        repository, target, model, wanted, datetime.now(UTC), break_freeze=break_freeze
    )
    message = f"Roll back {model} to {version.model.version} in {environment}: {reason}"
    checks = artifacts.check(repository, target, model, version) if check_artifacts else []
    notes = [check.note for check in checks if check.note]
    request = PullRequest(
        branch=f"rollback/{environment}-{model}",
        title=message,
        body="\n".join(
            [f"Image `{version.image}`", f"Bundle `{version.model.digest}`", reason, *notes]
        ),
        edits=planned,
    )
    display = DisplayOptions(dry_run, output)
    propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
