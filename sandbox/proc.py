"""The one way the sandbox runs a command: a list, no shell, and the command in the error.

Must not know what the commands are for.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Result:
    """A finished command: exit code and both outputs as text."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout_seconds: float = 60,
    check: bool = True,
) -> Result:
    """Run `argv` and return its result; `env` is added to our own environment.

    Raises CommandError when the command is missing, times out, or (with `check`) exits with
    another code than 0.
    """
    words = tuple(str(word) for word in argv)
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except OSError as error:
        raise CommandError(words, found=f"cannot start: {error}", output="") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            words, found=f"timed out after {timeout_seconds:g} s", output=_text(error.stderr)
        ) from error
    if check and done.returncode != 0:
        raise CommandError(
            words,
            found=f"exit code {done.returncode}",
            output=done.stdout + done.stderr,
            code=done.returncode,
        )
    return Result(words, done.returncode, done.stdout, done.stderr)


def stream(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run `argv` with our own terminal and return its exit code. Raises CommandError."""
    words = tuple(str(word) for word in argv)
    try:
        return subprocess.run(
            words, env={**os.environ, **(env or {})}, cwd=cwd, check=False
        ).returncode
    except OSError as error:
        raise CommandError(words, found=f"cannot start: {error}", output="") from error


def _text(output: bytes | str | None) -> str:
    if isinstance(output, bytes):
        return output.decode(errors="replace")
    return output or ""
