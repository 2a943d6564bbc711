"""Compare the version that a binary reports with the pin: one on PATH, or one just built."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import ToolsError

if TYPE_CHECKING:
    from tools.tool import Binary, Tool

TIMEOUT_SECONDS = 30


def require_pinned_version(tool: Tool, binary: Binary, path: Path) -> None:
    """Raise ToolsError unless a binary that was just built reports the pinned version."""
    if not binary.version:
        return
    expected, output = _expected(tool, binary, path), _version_output(binary, path)
    if not _matches(expected, output):
        raise ToolsError(
            f"the built {binary.name} does not report the pinned version",
            expected=expected,
            found=output.strip() or "no output",
            fix=f"correct `ldflags` or `prints` of {tool.name} in tools/catalog.py",
        )


def find_on_path(tool: Tool, bin_folder: Path, search_path: str) -> dict[str, Path] | None:
    """Return the path of each binary on PATH if all of them are exactly the pinned version."""
    if tool.assets:
        return None
    paths = {}
    for binary in tool.binaries:
        names = [name for name in (binary.name, binary.alias) if name]
        path = _find(tool, binary, names, bin_folder, search_path)
        if path is None:
            return None
        paths[binary.name] = path
    return paths


def _find(
    tool: Tool, binary: Binary, names: list[str], bin_folder: Path, search_path: str
) -> Path | None:
    if not binary.version:
        return None
    for folder in search_path.split(":"):
        # Ours may be on PATH too; a link must not lead to itself.
        if not folder or Path(folder).resolve() == bin_folder.resolve():
            continue
        for name in names:
            path = shutil.which(name, path=folder)
            if path is None:
                continue
            candidate = Path(path).absolute()
            expected = _expected(tool, binary, candidate)
            if _matches(expected, _version_output(binary, candidate)):
                return candidate
    return None


def _expected(tool: Tool, binary: Binary, path: Path) -> str:
    return tool.fill(binary.prints).replace("{path}", str(path))


def _version_output(binary: Binary, path: Path) -> str:
    try:
        done = subprocess.run(
            [path, *binary.version],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _matches(expected: str, output: str) -> bool:
    # Whole words must match: v1.36.1+k3s1 is not v1.36.1.
    words = expected.split()
    return any(line.split()[: len(words)] == words for line in output.splitlines())
