"""Shared by the commands with `--pull-request`: open a pull request, or write the files here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import DisplayOptions, Outcome, show, show_and_apply
from modelctl.promotion import branch, pull_request
from modelctl.repository import gitrepo, origin
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Command = Callable[..., Any]


def pull_request_option(command: Command) -> Command:
    """`--pull-request`."""
    return click.option(
        "--pull-request",
        is_flag=True,
        help="Pull request on a branch of its own; without `gh`, the command that pushes it",
    )(command)


@contextmanager
def planning_checkout(*, for_pull_request: bool) -> Iterator[Repository]:
    """The files to plan with: those here, or the target branch as fetched for a pull request."""
    repository = Repository.find()
    if not for_pull_request:
        yield repository
        return
    with branch.target_checkout(repository) as target:
        yield target


def propose_or_write(
    repository: Repository,
    request: pull_request.PullRequest,
    *,
    wanted: bool,
    display: DisplayOptions,
    notes: Sequence[str] = (),
) -> bool:
    """Open a pull request if one is wanted; else write the files. True if either was done.

    `repository` is a `planning_checkout`. Without `gh` the branch is committed, and the command
    that pushes it printed. A dry run, or a request without changes, does neither.
    """
    if not wanted:
        notes = [*notes, *origin.staleness_notes(repository.root)]
        return show_and_apply(
            repository, request.edits, message=request.message, display=display, notes=notes
        )
    here = Repository.find().root
    for edit in request.edits:
        gitrepo.require_clean(here, here / edit.path.relative_to(repository.root))
    changing = [edit for edit in request.edits if edit.has_changes]
    outcome = Outcome(request.edits, request.message, notes)
    if changing and not display.dry_run:
        if pull_request.has_gh():
            outcome.url = pull_request.open_request(repository, request, notes)
        else:
            outcome.commands = pull_request.manual_commands(repository, request)
    show(repository, outcome, display)
    if changing and display.dry_run and display.output == "table":
        click.echo(f"pull request:\n\n{request.title}\n\n{request.full_body(notes)}")
    return bool(changing) and not display.dry_run
