"""Tables as wide as the terminal or $COLUMNS; in a pipe, wide enough that no cell is wrapped."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 240
TIME = "%Y-%m-%dT%H:%M"  # in UTC, as the column says; one word for scripts


def console() -> Console:
    """The console that prints tables to stdout."""
    from rich.console import Console

    is_sized = sys.stdout.isatty() or os.environ.get("COLUMNS")
    # Brackets are text: names of metrics, columns and reasons come from files.
    return Console(width=None if is_sized else PIPED_WIDTH, highlight=False, markup=False)


def show(content: Table) -> None:
    """Print a table without the blanks that fill its last column: in a pipe they stay."""
    target = console()
    with target.capture() as capture:
        target.print(content)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def table(*columns: str, last: str) -> Table:
    """A table without borders; only the column `last` may wrap."""
    result = _borderless()
    for name in columns:
        result.add_column(name, no_wrap=True)
    result.add_column(last)
    return result


def block(*widths: int) -> Table:
    """A table without borders and heads: columns of these widths, and one for the rest."""
    result = _borderless()
    result.show_header = False
    for width in widths:
        result.add_column(width=width, overflow="fold")
    result.add_column(overflow="fold")
    return result


def _borderless() -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False)
