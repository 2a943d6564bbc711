"""`modelctl rollback`: an earlier version comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.cluster import artifacts
from modelctl.commands._edit import Show
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import propose_or_write, pull_request_option
from modelctl.promotion import freeze, rollback, rules
from modelctl.promotion.pull_request import Request
from modelctl.repository.environments import Repository


@click.command()
@model_argument
@environment_option("--env", "The environment to put right.")
@click.option("--to", "wanted", help="The version to go back to; default: the one before.")
@click.option("--reason", required=True, help="Why; it becomes part of the commit message.")
@click.option("--break-freeze", is_flag=True, help="Lift a freeze for this model, in one commit.")
@click.option(
    "--registry/--no-registry",
    "ask",
    default=True,
    show_default=True,
    help="Ask registries and downloads whether image and bundle are still there.",
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
    ask: bool,
    pull_request: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Put an earlier version of MODEL back into an environment's version file, from git history.

    A freeze stops Argo CD from syncing a rollback too; --break-freeze lifts it for this model.

    Example: modelctl rollback iris --env production --reason 'wrong labels for class 2'
    """
    repository = Repository.find()
    found = repository.environment(environment)
    edit, version = rollback.plan_rollback(repository, found, model, wanted)
    planned = [edit]
    if break_freeze:
        planned.append(freeze.plan_break(repository, found, model))
    else:
        rules.require(rules.freeze_violations(model, found, datetime.now(UTC)))
    message = f"Roll back {model} to {version.model.version} in {environment}: {reason}"
    looked = artifacts.look(repository, found, model, version) if ask else []
    notes = [finding.note for finding in looked if finding.note]
    request = Request(
        branch=f"rollback/{environment}-{model}",
        title=message,
        body="\n".join(
            [f"Image `{version.image}`", f"Bundle `{version.model.digest}`", reason, *notes]
        ),
        edits=planned,
    )
    show = Show(dry_run, output)
    propose_or_write(repository, request, wanted=pull_request, show=show, notes=notes)
