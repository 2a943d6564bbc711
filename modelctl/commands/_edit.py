"""Shared by the commands that edit files: show the plan, then write it unless it is a dry run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from modelctl.commands import _colour, _result
from modelctl.repository import edits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelctl.repository.checkout import Repository

_TRAILER = re.compile(r"[A-Za-z][A-Za-z-]*: ")
MAX_DIFF_LINES = 60  # of one file; more than a screen hides what matters


@dataclass(frozen=True)
class DisplayOptions:
    """How a plan is printed; `brief` lists the files instead of their diffs.

    `details` are more keys of the JSON document.
    """

    dry_run: bool
    output: str = "table"
    brief: bool = False
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a command planned, and what became of it.

    `message` is the commit message and `notes` are printed before the changes. Of a pull request
    there is a `url`, or without `gh` the `commands` that push its branch.
    """

    planned: Sequence[edits.Edit]
    message: str
    notes: Sequence[str] = ()
    is_written: bool = False
    url: str = ""
    commands: str = ""

    @property
    def changing(self) -> list[edits.Edit]:
        """The edits that change something."""
        return [edit for edit in self.planned if edit.has_changes]


def show_and_apply(
    repository: Repository,
    planned: Sequence[edits.Edit],
    *,
    message: str,
    display: DisplayOptions,
    notes: Sequence[str] = (),
) -> bool:
    """Print the changes and write them, unless it is a dry run; True if files were written.

    `message` is the suggested commit message; `notes` are printed before the changes.
    """
    outcome = Outcome(planned, message, notes)
    if outcome.changing and not display.dry_run:
        edits.apply(repository, *outcome.changing)
        outcome.is_written = True
    show(repository, outcome, display)
    return outcome.is_written


def show(repository: Repository, outcome: Outcome, display: DisplayOptions) -> None:
    """Print what was planned and done."""
    if display.output == "json":
        _print_json(repository, outcome, display.details)
        return
    changing = outcome.changing
    if not changing:
        names = " and ".join(_name(repository, edit) for edit in outcome.planned)
        verb = "are" if len(outcome.planned) > 1 else "is"
        click.echo(f"{names} {verb} already up to date")
        return
    for note in outcome.notes:
        click.echo(note)
    for edit in changing:
        if display.brief:
            click.echo(f"{edit.action} {_name(repository, edit)}")
        else:
            _colour.echo_diff(_shortened(edit.diff(repository.root)))
    if display.dry_run:
        click.echo("dry run: nothing written")
    elif outcome.url:
        click.echo(outcome.url)
    elif outcome.commands:
        click.echo("to open a pull request (`gh` is not on PATH), push its branch:")
        click.echo(outcome.commands)
    else:
        names = " ".join(shlex.quote(_name(repository, edit)) for edit in changing)
        click.echo(f"{_summary(repository, changing)}; next:")
        click.echo(f"  git add {names} && git commit {_message_options(outcome.message)}")


def _message_options(message: str) -> str:
    """Each paragraph as `-m`, but the trailers at its end each on a line of its own."""
    subject, *paragraphs = message.strip().split("\n\n")
    options = [f"-m {shlex.quote(subject)}"]
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        if all(map(_TRAILER.match, lines)):
            options += [f"--trailer {shlex.quote(line)}" for line in lines]
        else:
            options.append(f"-m {shlex.quote(paragraph)}")
    return " \\\n    ".join(options)


def _shortened(diff: str) -> str:
    """A diff, or its start and how much more there is: what matters is in the first lines."""
    lines = diff.split("\n")
    hidden = len(lines) - 1 - MAX_DIFF_LINES
    if hidden <= 0:
        return diff
    shown = "\n".join(lines[:MAX_DIFF_LINES])
    return f"{shown}\n... {hidden:,} more lines; all of them: --output json\n"


def _summary(repository: Repository, changing: Sequence[edits.Edit]) -> str:
    parts = []
    for verb, removed in (("wrote", False), ("removed", True)):
        names = [_name(repository, e) for e in changing if (e.after is None) == removed]
        if names:
            parts.append(f"{verb} {' '.join(names)}")
    return ", ".join(parts)


def _name(repository: Repository, edit: edits.Edit) -> str:
    return str(edit.path.relative_to(repository.root))


def _print_json(repository: Repository, outcome: Outcome, details: Mapping[str, object]) -> None:
    changes = [
        {
            "file": _name(repository, edit),
            "action": edit.action,
            "diff": edit.diff(repository.root),
        }
        for edit in outcome.changing
    ]
    document = {
        "changes": changes,
        "written": outcome.is_written,
        "message": outcome.message.rstrip("\n"),
        "notes": list(outcome.notes),
        **({"pullRequest": outcome.url} if outcome.url else {}),
        **({"commands": outcome.commands.strip()} if outcome.commands else {}),
        **details,
    }
    _result.echo_json(document)
