"""Read the versions that a tool's go.mod pins, which is the only place for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.errors import ToolsError

if TYPE_CHECKING:
    from pathlib import Path


def required(folder: Path, module: str) -> str:
    """Return the version of a module that the folder's go.mod requires, such as `v1.36.1`."""
    pattern = rf"^\s*(?:require )?{re.escape(module)} (v\S+)"
    match = re.search(pattern, _text(folder), re.MULTILINE)
    if match is None:
        raise ToolsError(
            f"{folder.name}/go.mod does not require {module}", fix="see tools/README.md"
        )
    return match[1]


def go_version(folder: Path) -> tuple[int, ...]:
    """Return the minimum Go version of the folder's go.mod."""
    match = re.search(r"^go (\d+(?:\.\d+)+)$", _text(folder), re.MULTILINE)
    if match is None:
        raise ToolsError(f"{folder.name}/go.mod has no `go` line", fix="see tools/README.md")
    return tuple(int(part) for part in match[1].split("."))


def _text(folder: Path) -> str:
    return (folder / "go.mod").read_text(encoding="utf-8")
