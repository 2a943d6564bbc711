"""`modelctl diff`: what a change does to the cluster, before it is merged."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from modelctl.commands._options import output_option
from modelctl.rendering import compare
from modelctl.rendering import markdown as forge
from modelctl.repository import gitrepo
from modelctl.repository.environments import Repository

if TYPE_CHECKING:
    from modelctl.rendering.diff import Change


@click.command()
@click.argument("model", required=False)
@click.argument("first", required=False)
@click.argument("second", required=False)
@click.option("--base", help="Compare the checkout with this commit, release by release.")
@click.option("--markdown", is_flag=True, help="For a pull request's comment.")
@output_option
def command(
    model: str | None,
    first: str | None,
    second: str | None,
    base: str | None,
    markdown: bool,
    output: str,
) -> None:
    """Compare rendered manifests: MODEL in environment FIRST with SECOND, or all with --base.

    Values of Secrets are never shown, only that they differ.

    \b
    Examples:
      modelctl diff iris staging production
      modelctl diff --base origin/main --markdown
    """
    repository = Repository.find()
    if base and not model:
        start = gitrepo.merge_base(repository.root, base)
        found = {change.name: change.changes for change in compare.against(repository, start)}
        empty = f"no release changes against {base}"
    elif model and first and second and not base:
        one, two = repository.environment(first), repository.environment(second)
        changes = compare.between(repository, model, one, two)
        found = {f"{model}: {first} -> {second}": changes} if changes else {}
        empty = f"{model} is the same in {first} and {second}"
    else:
        raise click.UsageError("give MODEL FIRST SECOND, or --base COMMIT")
    if output == "json":
        changed = {name: [asdict(change) for change in found[name]] for name in found}
        click.echo(json.dumps(changed, indent=2))
        return
    if not found:
        click.echo(empty)
    if markdown:
        click.echo(forge.comment(found), nl=False)
        return
    for name, changes in found.items():
        click.echo(_plain(name, changes))


def _plain(name: str, changes: list[Change]) -> str:
    blocks = [f"{change.kind} {change.object}\n{change.text}" for change in changes]
    return f"=== {name}\n" + "\n".join(blocks)
