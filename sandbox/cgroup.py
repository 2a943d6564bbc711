"""One cgroup holds every process of the sandbox, so that `down` finds them all, also after a crash.

Whatever a component starts (containerd's shims, the pods' containers, a git of Argo CD) stays in
the cgroup, whoever its parent is. Handles v2, v1 and the hybrid of both.
Must not know what the processes are.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.layout import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The controllers that the kubelet requires of its root cgroup on v2.
_V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup tree: version 2, or version 1 with its controllers."""

    path: Path
    version: int
    controllers: tuple[str, ...] = ()


def hierarchies(mounts: str | None = None) -> list[Hierarchy]:
    """Return the mounted cgroup trees; `mounts` is the text of /proc/self/mounts."""
    text = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    trees = []
    for line in text.splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup2":
            trees.append(Hierarchy(Path(path), 2))
        elif kind == "cgroup":
            words = [word for word in options.split(",") if word not in ("rw", "relatime")]
            trees.append(Hierarchy(Path(path), 1, tuple(words)))
    return trees


def flavour(trees: Sequence[Hierarchy]) -> str:
    """Return `v2`, `v1`, `v1 (hybrid)` or `none`."""
    versions = {tree.version for tree in trees}
    return {frozenset({2}): "v2", frozenset({1}): "v1", frozenset({1, 2}): "v1 (hybrid)"}.get(
        frozenset(versions), "none"
    )


def prepare() -> None:
    """Create our cgroup in every tree: the kubelet puts the pods below it (`cgroupRoot`)."""
    trees = hierarchies()
    for tree in trees:
        ours = tree.path / NAME
        ours.mkdir(exist_ok=True)
        # On the hybrid the v2 tree only holds processes; the kubelet uses v1's controllers.
        if flavour(trees) == "v2":
            _enable_controllers(tree.path)
            _enable_controllers(ours)
        elif "cpuset" in tree.controllers:
            # A v1 cpuset starts empty, and no process may enter it then.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (ours / name).write_text((tree.path / name).read_text())


def component_path(name: str) -> Path:
    """Return the cgroup of the component `name`, in the one tree that we track processes in."""
    return _tracking_tree().path / NAME / "components" / name


def component_procs(name: str) -> Path:
    """Create the cgroup of the component `name` and return the file that takes its pid."""
    path = component_path(name)
    path.mkdir(parents=True, exist_ok=True)
    return path / "cgroup.procs"


def members(path: Path) -> set[int]:
    """Return the pids in the cgroup `path` and all below it; none when it does not exist."""
    pids: set[int] = set()
    for folder in _folders(path):
        with suppress(FileNotFoundError, OSError):
            pids.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
    return pids


def all_members() -> set[int]:
    """Return the pids of every process of the sandbox, in all trees."""
    return {pid for tree in hierarchies() for pid in members(tree.path / NAME)}


def kill(path: Path, deadline_seconds: float, executable: str = "") -> int:
    """Kill everything in the cgroup `path`; return how many processes there were.

    With `executable` only the processes that run this file. Repeated until none is left,
    because a process may fork while it is being killed.
    Raises SandboxError when some survive the deadline.
    """
    deadline = time.monotonic() + deadline_seconds
    seen: set[int] = set()
    while pids := {pid for pid in members(path) if not executable or _runs(pid, executable)}:
        if time.monotonic() > deadline:
            raise SandboxError(
                "cannot kill processes of the sandbox",
                found=f"pids {sorted(pids)} in {path} after SIGKILL",
                expected="no process",
                fix="they hang in the kernel; restart the machine",
            )
        seen |= pids
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return len(seen)


def kill_all(deadline_seconds: float = 20) -> int:
    """Kill every process of the sandbox in every tree; return how many there were."""
    return sum(kill(tree.path / NAME, deadline_seconds) for tree in hierarchies())


def remove_all() -> None:
    """Remove our (empty) cgroups from every tree. Raises SandboxError when one is in use."""
    for tree in hierarchies():
        # Deepest first; the kernel's files inside vanish with the folder.
        for folder in reversed(list(_folders(tree.path / NAME))):
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SandboxError(
                    "cannot remove a cgroup of the sandbox",
                    found=f"{folder}: {error}",
                    expected="no process in it",
                    fix="run `make down` again",
                ) from error


def _tracking_tree() -> Hierarchy:
    trees = hierarchies()
    for tree in trees:
        if tree.version == 2:
            return tree
    for tree in trees:
        if "pids" in tree.controllers:
            return tree
    raise SandboxError(
        "no cgroup tree to track processes in",
        found=f"cgroup {flavour(trees)}",
        expected="cgroup v2, or v1 with the pids controller, mounted below /sys/fs/cgroup",
        fix="run on a stock Debian 12 or 13, not inside a container",
    )


def _runs(pid: int, executable: str) -> bool:
    # The command line and not /proc/<pid>/exe, which follows links and changes with a rebuild.
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return command.split(b"\0")[0].decode(errors="replace") == executable


def _enable_controllers(folder: Path) -> None:
    available = (folder / "cgroup.controllers").read_text().split()
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    for name in _V2_CONTROLLERS:
        if name in available and name not in enabled:
            try:
                (folder / "cgroup.subtree_control").write_text(f"+{name}")
            except OSError as error:
                raise SandboxError(
                    f"cannot use the cgroup controller {name}",
                    found=f"{folder}/cgroup.subtree_control: {error}",
                    expected="the root of the cgroup tree",
                    fix="run on a dedicated machine, not inside a container",
                ) from error


def _folders(path: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(path):
        yield Path(folder)
