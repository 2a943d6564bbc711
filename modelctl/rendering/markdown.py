"""Rendered changes as Markdown: folded, fenced, and within a forge's size limit.

The content is untrusted: nothing in it may close its fence or its table cell.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelctl.rendering.diff import Change

# GitHub rejects a comment or a pull-request body of more than 65,536 characters.
MAX_CHARACTERS = 60_000
MAX_NAMES = 50
FENCE = "```"


def comment(changes_by_release: Mapping[str, Sequence[Change]]) -> str:
    """As many releases as fit into a comment, and the names of the others."""
    shown, omitted, size = [], [], 0
    for name, changes in changes_by_release.items():
        text = _release(name, changes)
        if size + len(text) > MAX_CHARACTERS:
            omitted.append(f"`{name}` ({_count(changes)})")
        else:
            shown.append(f"{text}\n")
            size += len(text) + 1
    if omitted:
        shown.append(f"{_omitted(omitted, 'release')}\n")
    return "".join(shown)


def objects(changes: Sequence[Change], room: int) -> str:
    """As many objects of one release as fit into `room` characters, and the names of the others."""
    shown, omitted, size = [], [], 0
    for change in changes:
        title = f"{change.kind} <code>{escape(change.object)}</code>"
        text = f"<details><summary>{title}</summary>\n\n{fenced(change.text)}\n\n</details>"
        if size + len(text) > room:
            omitted.append(f"`{change.object}`")
        else:
            shown.append(text)
            size += len(text) + 1
    if omitted:
        shown.append(_omitted(omitted, "object"))
    return "\n".join(shown)


def fenced(text: str) -> str:
    """A diff as one code block, even if it contains a fence itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = FENCE if longest < len(FENCE) else "`" * (longest + 1)
    return f"{fence}diff\n{text}{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with escaped cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _release(name: str, changes: Sequence[Change]) -> str:
    blocks = [f"**{change.kind}** `{change.object}`\n\n{fenced(change.text)}" for change in changes]
    summary = f"<summary><b>{name}</b>: {_count(changes)}</summary>"
    return f"<details>{summary}\n\n" + "\n\n".join(blocks) + "\n\n</details>\n"


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} object{'' if len(changes) == 1 else 's'}"


def _omitted(names: Sequence[str], kind: str) -> str:
    listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    plural = "" if len(names) == 1 else "s"
    return f"{len(names)} more changed {kind}{plural}, omitted for size: {listed}"
