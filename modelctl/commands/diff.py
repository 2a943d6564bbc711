"""`modelctl diff`: show what a change does to the cluster, before it is merged."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from modelctl.commands import _colour, _result
from modelctl.commands._options import complete_environments, complete_models, output_option
from modelctl.rendering import compare
from modelctl.rendering import markdown as forge
from modelctl.repository import gitrepo, trees
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from modelctl.rendering.diff import Change


@click.command()
@click.argument("model", required=False, shell_complete=complete_models)
@click.argument("first", required=False, shell_complete=complete_environments)
@click.argument("second", required=False, shell_complete=complete_environments)
@click.option("--base", help="Commit to compare the checkout with, release by release")
@click.option("--markdown", is_flag=True, help="Markdown for a pull-request comment")
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

    Secret values are masked; only whether they differ is shown.

    \b
    Examples:
      modelctl diff iris staging production
      modelctl diff --base origin/main --markdown
    """
    repository = Repository.find()
    if base and not model:
        target = trees.commit_id(repository.root, base, "--base")
        start = gitrepo.merge_base(repository.root, target)
        by_release = {change.name: change.changes for change in compare.against(repository, start)}
        empty = f"no release differs from {base}"
    elif model and first and second and not base:
        one, two = repository.environment(first), repository.environment(second)
        changes = compare.between(repository, model, one, two)
        by_release = {f"{model}: {first} -> {second}": changes} if changes else {}
        empty = f"{model} is the same in {first} and {second}"
    else:
        raise click.UsageError("pass MODEL FIRST SECOND, or --base COMMIT")
    if output == "json":
        document = {name: [asdict(one) for one in changes] for name, changes in by_release.items()}
        _result.echo_json(document)
        return
    if not by_release:
        click.echo(empty)
    if markdown:
        click.echo(forge.comment(by_release), nl=False)
        return
    for name, changes in by_release.items():
        _colour.echo_diff(_plain(name, changes))


def _plain(name: str, changes: list[Change]) -> str:
    blocks = [f"{change.kind} {change.object}\n{change.text}" for change in changes]
    return f"=== {name}\n" + "\n".join(blocks)
