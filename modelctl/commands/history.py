"""`modelctl history`: list the versions of a model in an environment."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands import _audit, _notes, _result, _table
from modelctl.commands._options import complete_environments, complete_models
from modelctl.errors import UsageError
from modelctl.repository import aborts, audit, gitrepo, history, origin
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import ALL_MODELS
from modelctl.repository.versions import short


@click.command()
@click.argument("model", metavar="[MODEL]", required=False, shell_complete=complete_models)
@click.option("--env", "environment", help="Environment", shell_complete=complete_environments)
@click.option("--all", "everything", is_flag=True, help="Every change, not versions alone")
@click.option(
    "--output",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="Output format; csv with --all",
)
def command(model: str | None, environment: str | None, everything: bool, output: str) -> None:
    """List every released version of MODEL in an environment from git history, newest first.

    With --all, who changed what, when and why: versions, settings, capacity, freezes, overrides,
    rollbacks and retirements, in all environments and of all models or those that you name. Values
    of settings are not shown, only their names.

    \b
    Examples:
      modelctl history iris --env production
      modelctl history --all
      modelctl history --all --env production --output csv > audit.csv
    """
    if everything:
        _print_audit(model, environment, output)
        return
    if not model or not environment or output == "csv":
        missing = "--output csv" if model and environment else "neither MODEL and --env nor --all"
        raise UsageError(
            f"{missing}: no history to show",
            expected="MODEL --env ENVIRONMENT, or --all; csv with --all only",
            fix="modelctl history --all",
        )
    repository = Repository.find()
    target = repository.environment(environment)
    repository.require_model(target, model)
    entries = history.read(repository, target, model)
    _notes.echo(origin.staleness_notes(repository.root), output)
    aborted = aborts.reasons(repository.root, (entry.commit.id for entry in entries))
    whys = [aborted.get(entry.commit.id, entry.commit.subject) for entry in entries]
    if output == "json":
        listed = [_as_json(entry, why) for entry, why in zip(entries, whys, strict=True)]
        _result.echo_json(listed)
    elif entries:
        _print_table(entries, whys)
    else:
        click.echo(f"no release of '{model}' in '{environment}' so far")


def _print_audit(model: str | None, environment: str | None, output: str) -> None:
    """Names of models and environments that are gone are accepted: their history is not."""
    repository = Repository.find()
    root = repository.root
    direct = {each.name for each in repository.environments if each.promotion == "auto"}
    # The oldest commit of a shallow clone would look as if it had made everything.
    gitrepo.require_full_history(root)
    every = audit.read(root, direct)
    # What is gone from the checkout has a history all the same.
    if model and model not in {event.model for event in every}:
        repository.require_known(model)
    if environment and environment not in {event.environment for event in every}:
        repository.environment(environment)
    events = [
        event
        for event in every
        if environment in (None, event.environment)
        and (model is None or event.model in (model, ALL_MODELS))
    ]
    _audit.print_events(events, output)


def _as_json(entry: history.Entry, why: str) -> dict[str, object]:
    version = entry.version
    return {
        "when": entry.commit.when,
        "version": version.model.version if version else None,
        "bundle": version.model.digest if version else None,
        "image": str(version.image) if version else None,
        "commit": entry.commit.id,
        "author": entry.commit.author,
        "why": why,
    }


def _print_table(entries: list[history.Entry], whys: list[str]) -> None:
    table = _table.table("when (UTC)", "version", "bundle", "commit", last="why")
    for entry, why in zip(entries, whys, strict=True):
        version = entry.version
        table.add_row(
            datetime.fromisoformat(entry.commit.when).astimezone(UTC).strftime(_table.TIME),
            version.model.version if version else "(none)",
            short(version.model.digest) if version else "",
            short(entry.commit.id),
            why,
        )
    _table.show(table)
