"""`modelctl check`: check every file under environments/ against the rules."""

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
@click.option("--base", help="Commit to compare with: only changed files are checked")
@click.option("--live", is_flag=True, help="Health of promoted versions from the cluster")
@output_option
def command(base: str | None, live: bool, output: str) -> None:
    """Check every file under environments/ and print each problem with file and line.

    With --base (a commit or a branch), every changed version file also has to pass the promotion
    rules, whoever edited it. Make it a required check of your pull requests.

    \b
    Examples:
      modelctl check
      modelctl check --base origin/main
    """
    repository = Repository.find()
    start = gitrepo.merge_base(repository.root, base) if base else ""
    changed = changes.since(repository, start) if start else None
    violations = check.file_violations(repository, changed)
    if changed and not violations:
        violations = merge_rules.merge_violations(repository, changed, datetime.now(UTC), live=live)
    if output == "json":
        click.echo(json.dumps({"problems": violations}, indent=2))
    if violations:
        count = len(violations)
        raise RefusedError("\n".join([f"{count} problem{'' if count == 1 else 's'}", *violations]))
    if output == "table":
        click.echo(_summary(repository, changed))


def _summary(repository: Repository, changed: changes.Changes | None) -> str:
    if changed:
        count = len(changed.names)
        return f"{count} changed file{'' if count == 1 else 's'}: no problems"
    return (
        f"environments/: no problems in {len(repository.environments)} environments, "
        f"{len(repository.models())} models"
    )
