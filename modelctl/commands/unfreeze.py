"""`modelctl unfreeze`: end a freeze."""

from __future__ import annotations

import click

from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import dry_run_option, output_option
from modelctl.promotion import freeze
from modelctl.repository.environments import Repository


@click.command()
@click.argument("scope", metavar="ENV[/MODEL]")
@dry_run_option
@output_option
def command(scope: str, dry_run: bool, output: str) -> None:
    """End the freeze of an environment, or of one model in it.

    Example: modelctl unfreeze production
    """
    repository = Repository.find()
    environment, model = freeze.parse_scope(repository, scope)
    edit = freeze.plan_unfreeze(repository, environment, model)
    display = DisplayOptions(dry_run, output)
    show_and_apply(repository, [edit], message=f"Unfreeze {scope}", display=display)
