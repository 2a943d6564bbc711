"""Rendered changes as a forge shows them: folded, fenced, and never more than it takes.

What is shown comes from files that others write, so nothing in it may end its fence or its cell.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelctl.rendering.diff import Change

# GitHub refuses a comment, or the text of a pull request, of more than 65,536 characters.
CHARACTERS = 60_000
NAMED = 50
FENCE = "```"


def comment(found: Mapping[str, Sequence[Change]]) -> str:
    """All of it as far as a comment can hold it, and the names of what it cannot."""
    shown, left, size = [], [], 0
    for name, changes in found.items():
        text = _release(name, changes)
        if size + len(text) > CHARACTERS:
            left.append(f"`{name}` ({len(changes)} objects)")
        else:
            shown.append(f"{text}\n")
            size += len(text) + 1
    if left:
        shown.append(f"{len(left)} more change, too long for a comment: {_named(left)}\n")
    return "".join(shown)


def objects(changes: Sequence[Change], room: int) -> str:
    """The objects of one release as far as `room` characters go, and the names of the others."""
    shown, left, size = [], [], 0
    for change in changes:
        title = f"{change.kind} <code>{escape(change.object)}</code>"
        text = f"<details><summary>{title}</summary>\n\n{fenced(change.text)}\n\n</details>"
        if size + len(text) > room:
            left.append(f"`{change.object}`")
        else:
            shown.append(text)
            size += len(text) + 1
    if left:
        shown.append(f"{len(left)} more change, too long to be shown here: {_named(left)}")
    return "\n".join(shown)


def fenced(text: str) -> str:
    """A diff that stays one block, even where it holds a fence itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = FENCE if longest < len(FENCE) else "`" * (longest + 1)
    return f"{fence}diff\n{text}{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; what is in a cell stays in it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _release(name: str, changes: Sequence[Change]) -> str:
    blocks = [f"**{change.kind}** `{change.object}`\n\n{fenced(change.text)}" for change in changes]
    summary = f"<summary><b>{name}</b>: {len(changes)} objects</summary>"
    return f"<details>{summary}\n\n" + "\n\n".join(blocks) + "\n\n</details>\n"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
