"""Ask a binary for its version, to take one from PATH or to check one that was just linked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import ToolsError

if TYPE_CHECKING:
    from tools.catalog import Binary, Tool

SECONDS_TO_ANSWER = 30


def check(tool: Tool, binary: Binary, path: Path) -> None:
    """Raise ToolsError unless a freshly linked binary says that it is the pinned version."""
    if not binary.version:
        return
    expected, output = tool.fill(binary.prints), _ask(binary, path)
    if not _says(expected, output):
        raise ToolsError(
            f"the new {binary.name} does not report its pinned version",
            expected=expected,
            found=output.strip() or "no output",
            fix=f"correct `ldflags` or `prints` of {tool.name} in tools/catalog.py",
        )


def on_path(tool: Tool, bin_folder: Path, search_path: str) -> dict[str, Path] | None:
    """Return each binary's place on PATH if all are there in exactly the pinned version."""
    if tool.assets:
        return None
    found = {}
    for binary in tool.binaries:
        names = [name for name in (binary.name, binary.alias) if name]
        place = _find(tool, binary, names, bin_folder, search_path)
        if place is None:
            return None
        found[binary.name] = place
    return found


def _find(
    tool: Tool, binary: Binary, names: list[str], bin_folder: Path, search_path: str
) -> Path | None:
    if not binary.version:
        return None
    for folder in search_path.split(":"):
        # Ours may be on PATH too, and a link to itself helps nobody.
        if not folder or Path(folder).resolve() == bin_folder.resolve():
            continue
        for name in names:
            place = shutil.which(name, path=folder)
            if place and _says(tool.fill(binary.prints), _ask(binary, Path(place))):
                return Path(place).absolute()
    return None


def _ask(binary: Binary, path: Path) -> str:
    try:
        done = subprocess.run(
            [path, *binary.version],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _says(expected: str, output: str) -> bool:
    # The whole word must fit: v1.36.1+k3s1 is another program than v1.36.1.
    words = expected.split()
    return any(line.split()[: len(words)] == words for line in output.splitlines())
