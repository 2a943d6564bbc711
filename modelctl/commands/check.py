"""`modelctl check`: everything under environments/ against the rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from modelctl.commands._options import output_option
from modelctl.errors import RefusedError
from modelctl.promotion import check, merge_rules
from modelctl.repository import changes, gitrepo
from modelctl.repository.environments import Repository


@click.command()
@click.option("--base", help="Check only what differs from this commit, promotions included.")
@click.option("--live", is_flag=True, help="Ask the cluster for the health of what is promoted.")
@output_option
def command(base: str | None, live: bool, output: str) -> None:
    """Check everything under environments/ and print every problem with file and line.

    With --base (a commit, or the branch that the present one left), every changed version file
    passes the rules of promotion, rollback and freeze, whoever edited it: a required check of a
    pull request.

    \b
    Examples:
      modelctl check
      modelctl check --base origin/main
    """
    repository = Repository.find()
    start = gitrepo.merge_base(repository.root, base) if base else ""
    changed = changes.since(repository, start) if start else None
    found = check.problems(repository, changed)
    if changed and not found:
        found = merge_rules.problems(repository, changed, datetime.now(UTC), live=live)
    if output == "json":
        click.echo(json.dumps({"problems": found}, indent=2))
    if found:
        raise RefusedError(f"{len(found)} problems\n" + "\n".join(found))
    if output == "table":
        click.echo(_summary(repository, changed))


def _summary(repository: Repository, changed: changes.Changes | None) -> str:
    if changed:
        count = len(changed.names)
        return f"{count} file{'' if count == 1 else 's'} changed, all in order"
    return (
        f"environments/ is in order: {len(repository.environments)} environments, "
        f"{len(repository.models())} models"
    )
