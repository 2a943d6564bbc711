"""Which value belongs in which file, read from the `# @file` markers in the chart's values.yaml.

A marker in the comment above a key applies to the key and everything below it, unless a nested key
has its own marker. So a value's rule is next to its documentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("settings", "capacity", "version", "variant")
_MARKER = re.compile(r"^\s*#\s*@file\s+(?P<kind>\S+)\s*$")
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w-]*):")

Keys = tuple[str, ...]


def read_markers(values_file: Path, text: str | None = None) -> dict[Keys, str]:
    """The kind of file (one of `KINDS`) of each marked key path.

    `text` is read in place of the file's content.
    """
    text = values_file.read_text(encoding="utf-8") if text is None else text
    markers: dict[Keys, str] = {}
    path: list[tuple[int, str]] = []
    pending = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if marker := _MARKER.match(line):
            pending = marker["kind"]
            if pending not in KINDS:
                raise ModelctlError(
                    f"{values_file}:{number}: unknown marker",
                    found=pending,
                    expected=f"one of {', '.join(KINDS)}",
                )
        elif key := _KEY.match(line):
            indent = len(key["indent"])
            while path and path[-1][0] >= indent:
                path.pop()
            path.append((indent, key["key"]))
            if pending:
                markers[tuple(name for _, name in path)] = pending
                pending = ""
    return markers


def kind_of(keys: Keys, markers: dict[Keys, str]) -> str | None:
    """The kind of file that a key path belongs to; None for a key that no marker covers."""
    for length in range(len(keys), 0, -1):
        if keys[:length] in markers:
            return markers[keys[:length]]
    return None


def leaves(content: dict[str, Any], above: Keys = ()) -> Iterator[Keys]:
    """Every key path to a value; an empty mapping counts as a value."""
    for key, value in content.items():
        here = (*above, str(key))
        if isinstance(value, dict) and value:
            yield from leaves(value, here)
        else:
            yield here
