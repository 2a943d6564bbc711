"""The result of a command that has one: a line for people, or one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def echo(output: str, text: str, document: Mapping[str, object] | Sequence[object]) -> None:
    """Print the document with `--output json`, else the text."""
    click.echo(json.dumps(document, indent=2, default=str) if output == "json" else text)
