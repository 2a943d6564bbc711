"""The audit of `modelctl history --all`: one line for each change, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result, _table
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.repository.audit import Event

# A name or a reason may be anybody's: no control characters in a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# With these a spreadsheet begins a formula; full-width forms count in some.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMNS = (
    *("when", "who", "email", "environment", "model", "kind", "before", "after", "override"),
    *("why", "commit"),
)


def print_events(events: Sequence[Event], output: str) -> None:
    """Print them as `table`, `json` or `csv`."""
    if output == "json":
        _result.echo_json([_as_dict(event) for event in events])
    elif output == "csv":
        click.echo(_as_csv(events), nl=False)
    else:
        _print_table(events)


def _as_dict(event: Event) -> dict[str, str]:
    values = {name: str(getattr(event, name)) for name in COLUMNS}
    return {**values, "when": event.when.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _as_csv(events: Sequence[Event]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        values = _as_dict(event)
        writer.writerow([_harmless(values[name]) for name in COLUMNS])
    return stream.getvalue()


def _harmless(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = _CONTROL.sub(" ", value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _print_table(events: Sequence[Event]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("when (UTC)", "who", "where", "what", "why"):
        table.add_column(name, overflow="fold", no_wrap=name.startswith("when"))
    for event in events:
        cells = [
            event.when.strftime(_table.TIME),
            event.who,
            f"{event.environment}/{event.model}",
            _what(event),
            f"{event.why} ({short(event.commit)})",
        ]
        table.add_row(*(Text(_CONTROL.sub("\ufffd", cell)) for cell in cells))
    _table.show(table)


def _what(event: Event) -> str:
    override = f"override of {event.override}" if event.override else ""
    arrow = " -> ".join(part for part in (event.before, event.after) if part)
    words = [event.kind if event.kind != "override" else "", arrow, override]
    return " ".join(word for word in words if word)
