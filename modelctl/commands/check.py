"""`modelctl check`: everything under environments/ against the rules."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl import changes, check
from modelctl.environments import Repository
from modelctl.errors import RefusedError


@click.command()
@click.option("--base", help="Check only what differs from this commit, promotions included.")
def command(base: str | None) -> None:
    """Check everything under environments/ and print every problem with file and line.

    With --base, every changed version file passes the rules of promotion, rollback and freeze,
    whoever edited it: a required check of a pull request.

    \b
    Examples:
      modelctl check
      modelctl check --base origin/main
    """
    repository = Repository.find()
    found = check.problems(repository, base or "")
    if base and not found:
        found = changes.problems(repository, base, datetime.now(UTC))
    if found:
        raise RefusedError(f"{len(found)} problems\n" + "\n".join(found))
    click.echo(
        f"environments/ is in order: {len(repository.environments)} environments, "
        f"{len(repository.models())} models"
    )
