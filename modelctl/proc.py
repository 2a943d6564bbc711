"""Run another program: an argument list, no shell; an error shows the command, ready to paste."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN_CHARACTERS = 2000


class CommandError(ModelctlError):
    """A program is missing, failed or timed out."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout_seconds: float = 60,
    fix: str = "",
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (0,),
) -> str:
    """Return the program's stdout; raises CommandError with the command and its stderr.

    `variables` are added to the environment; `accepted` are the exit codes of success.
    """
    output = run_bytes(
        argv,
        cwd=cwd,
        timeout_seconds=timeout_seconds,
        fix=fix,
        stdin=stdin.encode(),
        variables=variables,
        accepted=accepted,
    )
    # Not as text, which would turn CRLF into LF: a file in git is what it is.
    return output.decode(errors="replace")


def run_bytes(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout_seconds: float = 60,
    fix: str = "",
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (0,),
) -> bytes:
    """Like `run`, for output that is not text."""
    command = shlex.join(argv)
    if shutil.which(argv[0]) is None:
        raise CommandError(f"{argv[0]} is not on PATH", fix=fix or f"install {argv[0]}")
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            check=False,
            env={**os.environ, **variables} if variables else None,
            input=stdin,
            capture_output=True,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{command}` timed out after {timeout_seconds:g} s", fix=fix) from error
    if done.returncode not in accepted:
        stderr = done.stderr.decode(errors="replace").strip()[-SHOWN_CHARACTERS:]
        raise CommandError(f"`{command}` failed", found=stderr, fix=fix)
    return done.stdout


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def with_descendants(pid: int) -> list[int]:
    """A process and all of its descendants, by proc(5) of Linux."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found
