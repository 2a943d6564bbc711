"""Tables as wide as the terminal; in a pipe, wide enough that no cell is wrapped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 240


def console() -> Console:
    """The console that prints tables to stdout."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def table(*columns: str, last: str) -> Table:
    """A table without borders; only the column `last` may wrap."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False)
    for name in columns:
        result.add_column(name, no_wrap=True)
    result.add_column(last)
    return result
