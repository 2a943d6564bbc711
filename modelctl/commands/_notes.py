"""Notes of commands that read: on stderr, so that stdout stays the answer alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


def echo(notes: Sequence[str], output: str) -> None:
    """Print notes, with `--output json` as lines of JSON like errors."""
    for note in notes:
        click.echo(json.dumps({"note": note}) if output == "json" else f"note: {note}", err=True)
