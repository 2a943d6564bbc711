"""What is built: the folders below `.tools`, and the stamp that says from what.

`bin` holds the binaries, `share/<tool>` their assets and `stamps` one file per tool. A stamp is
written last and names what it was written for, so one that does not fit means "not built".
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools import go
from tools.catalog import HERE, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Places:
    """Where tools are put; all below one folder that git ignores."""

    home: Path = HERE.parent / ".tools"

    @property
    def bin(self) -> Path:
        """Every binary, under its own name."""
        return self.home / "bin"

    def share(self, tool: Tool) -> Path:
        """What a tool needs beside its binaries."""
        return self.home / "share" / tool.name

    def stamp(self, tool: Tool) -> Path:
        """What a tool was built from."""
        return self.home / "stamps" / tool.name

    @contextlib.contextmanager
    def alone(self, note: Callable[[str], None]) -> Iterator[Path]:
        """Wait for other builds; yields an empty folder that is gone afterwards."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note("another build is running; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # What builds that were killed left behind.
            for folder in self.home.glob("new-*"):
                shutil.rmtree(folder)
            # A compiler that is just being ended may still write; the next build removes that.
            with tempfile.TemporaryDirectory(
                dir=self.home, prefix="new-", ignore_cleanup_errors=True
            ) as fresh:
                yield Path(fresh)


def pin(tool: Tool) -> str:
    """Return a hash of all that decides what is built: the pin and how it is linked."""
    settings = [] if tool.wheel else [go.build_command(tool, binary) for binary in tool.binaries]
    installed = [(binary.name, binary.alias) for binary in tool.binaries]
    digest = hashlib.sha256(repr((settings, tool.cgo, installed, tool.assets)).encode())
    for path in tool.locks:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built(tool: Tool, places: Places) -> bool:
    """Whether all that belongs to exactly this pin is there, as it was when it was installed."""
    if not all((places.share(tool) / asset.target).exists() for asset in tool.assets):
        return False
    try:
        return places.stamp(tool).read_text(encoding="utf-8") == _stamp(tool, places)
    except FileNotFoundError:
        return False


def stamp(tool: Tool, places: Places) -> None:
    """Remember that the installed binaries are those of the pin."""
    path = places.stamp(tool)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(_stamp(tool, places), encoding="utf-8")
    fresh.replace(path)


def _stamp(tool: Tool, places: Places) -> str:
    lines = [pin(tool)]
    for binary in tool.binaries:
        # These differ when an install was cut short, and when a link leads to a binary on PATH
        # that was upgraded.
        status = (places.bin / binary.name).stat()
        lines.append(f"{binary.name} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(lines) + "\n"
