"""Shared by the commands with `--pull-request`: open a pull request, or write the files here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import DisplayOptions, show_and_apply
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
        help="Pull request on a branch of its own; without `gh`, the commands to open it",
    )(command)


def propose_or_write(
    repository: Repository,
    request: pull_request.PullRequest,
    *,
    wanted: bool,
    display: DisplayOptions,
    notes: Sequence[str] = (),
) -> None:
    """Open a pull request if one is wanted and `gh` is installed; else write the files.

    A dry run, or a request without changes, opens none.
    """
    has_changes = any(edit.has_changes for edit in request.edits)
    propose = wanted and has_changes and not display.dry_run
    if propose and pull_request.has_gh():
        for note in notes:
            click.echo(note)
        click.echo(pull_request.open_request(repository, request))
        return
    written = show_and_apply(
        repository,
        request.edits,
        message=request.message or request.title,
        display=display,
        notes=notes,
    )
    if wanted and has_changes and display.dry_run and display.output == "table":
        click.echo(f"pull request:\n\n{request.title}\n\n{request.body}")
    if propose and written and display.output == "table":
        click.echo("or, as a pull request (`gh` is not on PATH):")
        click.echo(pull_request.manual_commands(repository, request))
