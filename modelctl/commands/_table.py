"""Tables as wide as the terminal or $COLUMNS; in a pipe, wide enough that no cell is wrapped."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 240


def console() -> Console:
    """The console that prints tables to stdout."""
    from rich.console import Console

    is_sized = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(width=None if is_sized else PIPED_WIDTH, highlight=False)


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
