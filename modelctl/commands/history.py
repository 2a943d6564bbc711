"""`modelctl history`: which versions a model has had in an environment."""

from __future__ import annotations

import click

from modelctl import history
from modelctl.environments import Repository, short

MINUTE = 16  # characters of an ISO date up to the minute


@click.command()
@click.argument("model")
@click.option("--env", "environment", required=True)
def command(model: str, environment: str) -> None:
    """List every version of MODEL that git says was released in an environment, newest first.

    Example: modelctl history iris --env production
    """
    from rich.console import Console
    from rich.table import Table

    repository = Repository.find()
    found = repository.environment(environment)
    repository.require_model(found, model)
    table = Table(box=None, pad_edge=False)
    for name in ("when", "version", "bundle", "commit"):
        table.add_column(name, no_wrap=True)
    table.add_column("why")
    for entry in history.read(repository, found, model):
        version = entry.version
        table.add_row(
            entry.commit.when[:MINUTE],
            version.model.version if version else "(none)",
            short(version.model.digest) if version else "",
            short(entry.commit.id),
            entry.commit.subject,
        )
    Console().print(table)
