"""What is built: the folders below `.tools`, and a stamp for each tool.

`bin` holds the binaries, `share/<tool>` their assets and `stamps` one file per tool. A stamp is
written last and identifies the build; one that does not match means "not built".
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
from tools.tool import HERE, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class ToolPaths:
    """Paths of built tools; all below one folder that git ignores."""

    home: Path = HERE.parent / ".tools"

    @property
    def bin(self) -> Path:
        """The folder of all binaries."""
        return self.home / "bin"

    def share(self, tool: Tool) -> Path:
        """The files that a tool needs besides its binaries."""
        return self.home / "share" / tool.name

    def stamp(self, tool: Tool) -> Path:
        """The file that identifies the build of a tool."""
        return self.home / "stamps" / tool.name

    @contextlib.contextmanager
    def locked(self, note: Callable[[str], None]) -> Iterator[Path]:
        """Hold the lock of all builds; yield an empty staging folder, removed afterwards."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note("another build is running; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Leftovers of killed builds.
            for folder in self.home.glob("new-*"):
                shutil.rmtree(folder)
            # A compiler that is being killed may still write; the next build removes that.
            with tempfile.TemporaryDirectory(
                dir=self.home, prefix="new-", ignore_cleanup_errors=True
            ) as staging:
                yield Path(staging)


def fingerprint(tool: Tool) -> str:
    """Return a hash of all inputs of the build: the pin and how it is linked."""
    settings = [] if tool.wheel else [go.build_command(tool, binary) for binary in tool.binaries]
    installed = [(binary.name, binary.alias) for binary in tool.binaries]
    digest = hashlib.sha256(repr((settings, tool.cgo, installed, tool.assets)).encode())
    for path in tool.locks:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built(tool: Tool, paths: ToolPaths) -> bool:
    """Return whether the tool is installed completely, for this pin and unchanged since."""
    if not all((paths.share(tool) / asset.target).exists() for asset in tool.assets):
        return False
    try:
        return paths.stamp(tool).read_text(encoding="utf-8") == _stamp(tool, paths)
    except FileNotFoundError:
        return False


def write_stamp(tool: Tool, paths: ToolPaths) -> None:
    """Record that the installed binaries are those of the pin."""
    path = paths.stamp(tool)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(_stamp(tool, paths), encoding="utf-8")
    fresh.replace(path)


def _stamp(tool: Tool, paths: ToolPaths) -> str:
    lines = [fingerprint(tool)]
    for binary in tool.binaries:
        # These differ after an interrupted installation, and when a link leads to a binary on
        # PATH that was upgraded.
        status = (paths.bin / binary.name).stat()
        lines.append(f"{binary.name} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(lines) + "\n"
