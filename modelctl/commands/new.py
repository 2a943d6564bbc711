"""`modelctl new`: create the files of a model."""

from __future__ import annotations

import click

from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import dry_run_option, output_option
from modelctl.repository import scaffold
from modelctl.repository.environments import Repository


@click.command()
@click.argument("model")
@dry_run_option
@output_option
def command(model: str, dry_run: bool, output: str) -> None:
    """Create MODEL: working training code and its value files in each environment.

    Replace the data and the pipeline in models/MODEL/train.py with your own.

    Example: modelctl new churn
    """
    repository = Repository.find()
    planned = scaffold.plan(repository, model)
    display = DisplayOptions(dry_run, output, brief=True)
    message = f"feat({model}): add the model"
    written = show_and_apply(repository, planned, message=message, display=display)
    if written and output == "table":
        click.echo(f"then edit models/{model}/train.py, and run `make models` to train and package")
