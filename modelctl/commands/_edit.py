"""Shared by the commands that edit files: show the plan, then write it unless it is a dry run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from modelctl.repository import edits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelctl.repository.environments import Repository


@dataclass(frozen=True)
class DisplayOptions:
    """How a plan is printed; `brief` lists the files instead of their diffs.

    `details` are more keys of the JSON document.
    """

    dry_run: bool
    output: str = "table"
    brief: bool = False
    details: Mapping[str, object] = field(default_factory=dict)


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
    changing = [edit for edit in planned if edit.has_changes]
    writes = bool(changing) and not display.dry_run
    if writes:
        edits.apply(repository, *changing)
    if display.output == "json":
        _print_json(repository, changing, writes, message, notes, display.details)
        return writes
    if not changing:
        names = " and ".join(_name(repository, edit) for edit in planned)
        verb = "are" if len(planned) > 1 else "is"
        click.echo(f"{names} {verb} already up to date")
        return False
    for note in notes:
        click.echo(note)
    for edit in changing:
        if display.brief:
            click.echo(f"{edit.action} {_name(repository, edit)}")
        else:
            click.echo(edit.diff(repository.root), nl=False)
    if display.dry_run:
        click.echo("dry run: nothing written")
        return False
    names = " ".join(shlex.quote(_name(repository, edit)) for edit in changing)
    click.echo(f"{_summary(repository, changing)}; next:")
    click.echo(f"  git add {names} && git commit -m {shlex.quote(message)}")
    return True


def _summary(repository: Repository, changing: Sequence[edits.Edit]) -> str:
    parts = []
    for verb, removed in (("wrote", False), ("removed", True)):
        names = [_name(repository, e) for e in changing if (e.after is None) == removed]
        if names:
            parts.append(f"{verb} {' '.join(names)}")
    return ", ".join(parts)


def _name(repository: Repository, edit: edits.Edit) -> str:
    return str(edit.path.relative_to(repository.root))


def _print_json(
    repository: Repository,
    changing: Sequence[edits.Edit],
    written: bool,
    message: str,
    notes: Sequence[str],
    details: Mapping[str, object],
) -> None:
    changes = [
        {
            "file": _name(repository, edit),
            "action": edit.action,
            "diff": edit.diff(repository.root),
        }
        for edit in changing
    ]
    document = {"changes": changes, "written": written, "message": message, "notes": list(notes)}
    click.echo(json.dumps({**document, **details}, indent=2))
