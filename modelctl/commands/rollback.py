"""`modelctl rollback`: an earlier version comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl import freezes, history, rules
from modelctl.commands._edit import dry_run_option, show_and_apply
from modelctl.environments import Repository


@click.command()
@click.argument("model")
@click.option("--env", "environment", required=True)
@click.option("--to", "wanted", help="The version to go back to; default: the one before.")
@click.option("--reason", required=True, help="Why; it becomes part of the commit message.")
@click.option("--break-freeze", is_flag=True, help="Lift a freeze for this model, in one commit.")
@dry_run_option
def command(
    model: str,
    environment: str,
    wanted: str | None,
    reason: str,
    break_freeze: bool,
    dry_run: bool,
) -> None:
    """Put an earlier version of MODEL back into an environment's version file, from git history.

    A freeze stops Argo CD from syncing a rollback too; --break-freeze lifts it for this model.

    Example: modelctl rollback iris --env production --reason 'wrong labels for class 2'
    """
    repository = Repository.find()
    found = repository.environment(environment)
    edit, version = history.plan_rollback(repository, found, model, wanted)
    planned = [edit]
    if break_freeze:
        planned.append(freezes.plan_break(repository, found, model))
    else:
        rules.require(rules.refuse_frozen(model, found, datetime.now(UTC)))
    message = f"Roll back {model} to {version.model.version} in {environment}: {reason}"
    show_and_apply(repository, *planned, message=message, dry_run=dry_run)
