"""`modelctl promote`: a version goes one environment further."""

from __future__ import annotations

import click

from modelctl import promote
from modelctl.commands._edit import dry_run_option, show_and_apply
from modelctl.environments import Repository


@click.command()
@click.argument("model")
@click.option("--to", "environment", required=True, help="The environment to enter.")
@dry_run_option
def command(model: str, environment: str, dry_run: bool) -> None:
    """Copy MODEL's version file from the environment before, and nothing else.

    Settings and capacity stay as they are. A version cannot skip an environment.

    Example: modelctl promote iris --to staging
    """
    repository = Repository.find()
    edit = promote.plan_promotion(repository, model, environment)
    message = f"Promote {model} to {environment}"
    show_and_apply(repository, edit, message=message, dry_run=dry_run)
