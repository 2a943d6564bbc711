"""`modelctl history`: list the versions of a model in an environment."""

from __future__ import annotations

import json

import click

from modelctl.commands import _notes, _table
from modelctl.commands._options import environment_option, model_argument, output_option
from modelctl.repository import history, origin
from modelctl.repository.environments import Repository, short

MINUTE = 16  # characters of an ISO date up to the minute


@click.command()
@model_argument
@environment_option("--env", "Environment to list")
@output_option
def command(model: str, environment: str, output: str) -> None:
    """List every released version of MODEL in an environment from git history, newest first.

    Example: modelctl history iris --env production
    """
    repository = Repository.find()
    target = repository.environment(environment)
    repository.require_model(target, model)
    entries = history.read(repository, target, model)
    _notes.echo(origin.staleness_notes(repository.root), output)
    if output == "json":
        click.echo(json.dumps([_as_json(entry) for entry in entries], indent=2))
    else:
        _print_table(entries)


def _as_json(entry: history.Entry) -> dict[str, object]:
    version = entry.version
    return {
        "when": entry.commit.when,
        "version": version.model.version if version else None,
        "bundle": version.model.digest if version else None,
        "image": str(version.image) if version else None,
        "commit": entry.commit.id,
        "author": entry.commit.author,
        "why": entry.commit.subject,
    }


def _print_table(entries: list[history.Entry]) -> None:
    table = _table.table("when", "version", "bundle", "commit", last="why")
    for entry in entries:
        version = entry.version
        table.add_row(
            entry.commit.when[:MINUTE],
            version.model.version if version else "(none)",
            short(version.model.digest) if version else "",
            short(entry.commit.id),
            entry.commit.subject,
        )
    _table.console().print(table)
