"""How tables are printed: as wide as the terminal, or wide enough for whatever reads a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 240


def console() -> Console:
    """Where to print."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def table(*columns: str, last: str) -> Table:
    """A table without lines; only the column `last` may be broken."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, no_wrap=True)
    made.add_column(last)
    return made
