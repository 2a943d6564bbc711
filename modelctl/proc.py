"""Run another program: a list of words, no shell; a failure shows its own words, to be pasted."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHOWN_CHARACTERS = 2000


class CommandError(ModelctlError):
    """A program is missing, failed, or gave no answer in time."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout_seconds: float = 60,
    fix: str = "",
    stdin: str = "",
) -> str:
    """What the program printed; raises CommandError with the command and its own words."""
    command = shlex.join(argv)
    if shutil.which(argv[0]) is None:
        raise CommandError(f"{argv[0]} is not on PATH", fix=fix or f"install {argv[0]}")
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            check=True,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"`{command}` gave no answer", expected=f"one within {timeout_seconds:g} s", fix=fix
        ) from error
    except subprocess.CalledProcessError as error:
        found = error.stderr.strip()[-SHOWN_CHARACTERS:]
        raise CommandError(f"`{command}` failed", found=found, fix=fix) from error
    return done.stdout
