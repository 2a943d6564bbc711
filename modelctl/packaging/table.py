"""Print what packaging found as tables: the inputs and where their rules are from, the engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from app.model.feature import Feature
    from modelctl.packaging.package import Plan

MAX_INPUTS = 40
# Texts of a closed list that are shown, and the width of that column.
MAX_LISTED = 34


def print_inputs(planned: Plan) -> None:
    """Print one row per input: what requests may send, and where each rule comes from."""
    table = Table("input", "type", "values", "missing", "rules from", box=SIMPLE)
    for one in planned.inferred[:MAX_INPUTS]:
        feature = one.feature
        texts = (feature.name, feature.dtype, _values(feature), feature.missing, one.source)
        table.add_row(*map(escape, texts))
    console = Console()
    console.print(table)
    more = len(planned.inferred) - MAX_INPUTS
    if more > 0:
        console.print(f"and {more:,} more inputs", highlight=False)


def _values(feature: Feature) -> str:
    """What values are answered, in a few words."""
    if feature.closed is not None:
        listed = "hidden" if feature.listed is None else ", ".join(map(str, feature.closed))
        if len(listed) > MAX_LISTED:
            listed = f"{listed[: MAX_LISTED - 3]}..."
        return f"only {listed}"
    if feature.range is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in feature.range)
        return f"{low}..{high}"
    return "any" if feature.dtype != "boolean" else "true, false"


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
