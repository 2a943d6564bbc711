"""Colour on a terminal only, or as NO_COLOR and FORCE_COLOR say; control characters never.

See https://no-color.org and https://force-color.org.
"""

from __future__ import annotations

import os
import sys

import click

STYLES = {"+": "green", "-": "red", "@": "cyan"}
HEADERS = ("+++ ", "--- ", "===")


def is_wanted() -> bool:
    """Whether stdout gets colour."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0", "false"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def echo_diff(text: str) -> None:
    """Print a diff; a carriage return shows as ^M, as a change of it alone would look like none."""
    is_coloured = is_wanted()
    for line in text.removesuffix("\n").split("\n"):
        shown = visible(line)
        if not is_coloured:
            click.echo(shown, color=False)
        elif line.startswith(HEADERS):
            click.echo(click.style(shown, bold=True), color=True)
        else:
            click.echo(click.style(shown, fg=STYLES.get(line[:1])), color=True)


def visible(line: str) -> str:
    """Control characters in caret notation, as `cat -v` prints them: they steer the terminal."""
    return "".join(
        f"^{chr(ord(c) ^ 0x40)}" if (c < " " and c != "\t") or c == "\x7f" else c for c in line
    )
