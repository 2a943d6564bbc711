"""What the commands that edit value files share: show the plan, then write it or not."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from modelctl import edits

if TYPE_CHECKING:
    from modelctl.environments import Repository

dry_run_option = click.option("--dry-run", is_flag=True, help="Show the change, write nothing.")


def show_and_apply(
    repository: Repository, *planned: edits.Edit, message: str, dry_run: bool
) -> None:
    """Print the changes and write them; `message` is the commit message that is suggested."""
    changing = [edit for edit in planned if edit.changes]
    if not changing:
        names = " and ".join(str(edit.path.relative_to(repository.root)) for edit in planned)
        click.echo(f"{names} says so already: nothing to change")
        return
    for edit in changing:
        click.echo(edit.diff(repository.root), nl=False)
    if dry_run:
        click.echo("dry run: nothing was written")
        return
    edits.apply(repository, *changing)
    names = " ".join(str(edit.path.relative_to(repository.root)) for edit in changing)
    commit = f"git commit -m {shlex.quote(message)}"
    click.echo(f"wrote {names}; next:\n  git add {names} && {commit}")
