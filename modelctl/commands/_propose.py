"""What the commands with `--pull-request` share: propose the change, or write it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import Show, show_and_apply
from modelctl.promotion import pull_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from modelctl.repository.environments import Repository

    Command = Callable[..., Any]


def pull_request_option(command: Command) -> Command:
    """`--pull-request`."""
    return click.option(
        "--pull-request",
        is_flag=True,
        help="Propose it on a branch; without `gh`, say how by hand.",
    )(command)


def propose_or_write(
    repository: Repository,
    request: pull_request.Request,
    *,
    wanted: bool,
    show: Show,
    notes: Sequence[str] = (),
) -> None:
    """Open a pull request when one is wanted and can be; else write the files and say what is next.

    Nothing is proposed when nothing changes or in a dry run.
    """
    propose = wanted and any(edit.changes for edit in request.edits) and not show.dry_run
    if propose and pull_request.available():
        for note in notes:
            click.echo(note)
        click.echo(pull_request.open_request(repository, request))
        return
    written = show_and_apply(
        repository, request.edits, message=request.title, show=show, notes=notes
    )
    changes = any(edit.changes for edit in request.edits)
    if wanted and changes and show.dry_run and show.output == "table":
        click.echo(f"the pull request would say:\n\n{request.title}\n\n{request.body}")
    if propose and written and show.output == "table":
        click.echo("or, on a branch of its own (`gh` is not on PATH):")
        click.echo(pull_request.by_hand(repository, request))
