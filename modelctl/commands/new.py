"""`modelctl new`: the files of a new model."""

from __future__ import annotations

import click

from modelctl.commands._edit import Show, show_and_apply
from modelctl.commands._options import dry_run_option, output_option
from modelctl.repository import scaffold
from modelctl.repository.environments import Repository


@click.command()
@click.argument("model")
@dry_run_option
@output_option
def command(model: str, dry_run: bool, output: str) -> None:
    """Write training code for MODEL that runs at once, and its value files in each environment.

    Put your own data and pipeline into models/MODEL/train.py where the comments say so.

    Example: modelctl new churn
    """
    repository = Repository.find()
    planned = scaffold.plan(repository, model)
    show = Show(dry_run, output, brief=True)
    written = show_and_apply(
        repository, planned, message=f"feat({model}): add the model", show=show
    )
    if written and output == "table":
        click.echo(f"then `make models` trains and packages it; yours goes into models/{model}/")
