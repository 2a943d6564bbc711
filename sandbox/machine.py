"""Properties of this machine: read here, evaluated in `preflight`.

Runs on a bare system Python; must not decide anything.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import cgroup
from sandbox.proc import run

if TYPE_CHECKING:
    from sandbox.layout import Layout


@dataclass(frozen=True)
class MachineInfo:
    """The machine's properties; sizes in bytes, versions as tuples (empty: not installed)."""

    system: str
    machine: str
    user_id: int
    capabilities: int
    distribution: str
    release: str
    kernel: tuple[int, ...]
    python: tuple[int, ...]
    has_venv: bool
    go: tuple[int, ...]
    required_go: tuple[int, ...]
    memory: int
    disk_free: int
    was_up_before: bool
    cgroup_flavour: str
    iptables_flavour: str
    other_kubelet_pid: int


def read_machine(layout: Layout) -> MachineInfo:
    """Return the properties of this machine."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    status = Path("/proc/self/status").read_text()
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    capabilities = re.search(r"CapEff:\s+([0-9a-f]+)", status)
    return MachineInfo(
        system=platform.system(),
        machine=platform.machine(),
        user_id=os.geteuid(),
        capabilities=int(capabilities[1], 16) if capabilities else 0,
        distribution=release.get("ID", "unknown"),
        release=release.get("VERSION_ID", ""),
        kernel=parse_version(platform.release()),
        python=tuple(sys.version_info[:3]),
        # A package of its own in Debian: venv can be imported without it, and then fails.
        has_venv=importlib.util.find_spec("ensurepip") is not None,
        go=_go_version(),
        required_go=required_go(layout.root / "tools"),
        memory=int(memory[1]) * 1024 if memory else 0,
        disk_free=shutil.disk_usage(layout.root).free,
        was_up_before=(layout.bin / "kubelet").exists(),
        cgroup_flavour=cgroup.flavour(cgroup.hierarchies()),
        iptables_flavour=_iptables_flavour(),
        other_kubelet_pid=_other_kubelet_pid(),
    )


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading number of `text` as a tuple: `go1.26.3` and `6.1.0-18` alike."""
    match = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def required_go(tools: Path) -> tuple[int, ...]:
    """Return the largest Go version that a tool's go.mod requires; empty without tools."""
    lines = (
        match[1]
        for path in tools.glob("*/go.mod")
        if (match := re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE))
    )
    return max(map(parse_version, lines), default=())


def _go_version() -> tuple[int, ...]:
    if shutil.which("go") is None:
        return ()
    # GOTOOLCHAIN=local: the installed version, not one that Go would download.
    result = run(["go", "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}, check=False)
    return parse_version(result.stdout)


def _iptables_flavour() -> str:
    if shutil.which("iptables") is None:
        return "not installed yet"
    match = re.search(r"\((\w+)\)", run(["iptables", "--version"], check=False).stdout)
    return match[1] if match else "legacy"


def _other_kubelet_pid() -> int:
    """Return the pid of a kubelet that is not ours but shares our files, 0 without one.

    A kubelet inside a container (kind, minikube) has its own files and does not conflict.
    """
    ours = cgroup.all_members()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_kubelet = (folder / "comm").read_text().strip() == "kubelet"
            if is_kubelet and int(folder.name) not in ours and _shares_our_files(folder):
                return int(folder.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return 0


def _shares_our_files(process: Path) -> bool:
    return (process / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
