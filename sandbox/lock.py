"""One sandbox on a machine, and one command at a time that changes it.

The names of the namespace and the cgroup are fixed, so a second checkout must not run a second
one. Must not know what is done under the lock.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.layout import NAME, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = Path("/run") / f"{NAME}.lock"
_OWNER = Path("/run") / f"{NAME}.owner"


@contextmanager
def exclusive(*, wait: bool = False) -> Iterator[None]:
    """Hold the machine-wide lock; the kernel releases it when we die.

    With `wait` blocks until the lock is free; else raises SandboxError when it is held.
    """
    with _LOCK.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise SandboxError(
                "another command is changing the sandbox",
                found=f"{_LOCK} is held",
                expected="one `up` or `down` at a time",
                fix="wait until that command has finished",
            ) from error
        yield


def owner() -> Path | None:
    """Return the root of the checkout that owns the machine's sandbox; None without one."""
    try:
        text = _OWNER.read_text().strip()
    except FileNotFoundError:
        return None
    return Path(text) if text else None


def set_owner(layout: Layout) -> None:
    """Record that the machine's sandbox belongs to this checkout."""
    _OWNER.write_text(str(layout.root))


def clear_owner() -> None:
    """Record that no checkout owns the machine's sandbox."""
    _OWNER.unlink(missing_ok=True)
