"""Print the engines that packaging tried as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from modelctl.packaging.package import Plan


def print_attempts(planned: Plan) -> None:
    """Print one row per engine: verdict, exactness and speed."""
    table = Table("engine", "verdict", "rows compared", "max |difference|", "1 row", "100 rows")
    timings = planned.report["timings"]
    for attempt in planned.attempts:
        times = timings.get(attempt.name, {})
        parity = attempt.parity
        is_chosen = attempt.name == planned.manifest["engine"]
        verdict = "chosen" if is_chosen else "reference"
        table.add_row(
            attempt.name,
            escape(attempt.reason) or verdict,
            "" if parity is None else f"{sum(parity.rows.values()):,}",
            "" if parity is None else f"{parity.max_abs_diff:.1e}",
            *(
                f"{times[key]:,.0f} µs" if times else ""
                for key in ("one_row_us", "hundred_rows_us")
            ),
        )
    console = Console()
    console.print(table)
    for note in planned.notes:
        console.print(f"[yellow]note[/]: {escape(note)}", highlight=False)
