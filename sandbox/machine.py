"""Facts about this machine: gathered here, judged in `preflight`.

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
class Facts:
    """What the machine is; sizes in bytes, versions as tuples (empty: there is none)."""

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
    go_needed: tuple[int, ...]
    memory: int
    disk_free: int
    was_up_before: bool
    cgroup_flavour: str
    iptables_flavour: str
    foreign_kubelet: int


def gather(layout: Layout) -> Facts:
    """Return the facts of this machine."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    status = Path("/proc/self/status").read_text()
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    capabilities = re.search(r"CapEff:\s+([0-9a-f]+)", status)
    return Facts(
        system=platform.system(),
        machine=platform.machine(),
        user_id=os.geteuid(),
        capabilities=int(capabilities[1], 16) if capabilities else 0,
        distribution=release.get("ID", "unknown"),
        release=release.get("VERSION_ID", ""),
        kernel=parse_version(platform.release()),
        python=tuple(sys.version_info[:3]),
        # Debian splits it off: venv imports without ensurepip, and fails when it is used.
        has_venv=importlib.util.find_spec("ensurepip") is not None,
        go=_go_version(),
        go_needed=go_needed(layout.root / "tools"),
        memory=int(memory[1]) * 1024 if memory else 0,
        disk_free=shutil.disk_usage(layout.root).free,
        was_up_before=(layout.bin / "kubelet").exists(),
        cgroup_flavour=cgroup.flavour(cgroup.hierarchies()),
        iptables_flavour=_iptables_flavour(),
        foreign_kubelet=_foreign_kubelet(),
    )


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading number of `text` as a tuple: `go1.26.3` and `6.1.0-18` alike."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def go_needed(tools: Path) -> tuple[int, ...]:
    """Return the largest Go version that a tool's go.mod asks for; empty without any."""
    lines = (
        found[1]
        for path in tools.glob("*/go.mod")
        if (found := re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE))
    )
    return max(map(parse_version, lines), default=())


def _go_version() -> tuple[int, ...]:
    if shutil.which("go") is None:
        return ()
    # GOTOOLCHAIN=local: what is installed counts, not what it would download.
    asked = run(["go", "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}, check=False)
    return parse_version(asked.stdout)


def _iptables_flavour() -> str:
    if shutil.which("iptables") is None:
        return "not installed yet"
    found = re.search(r"\((\w+)\)", run(["iptables", "--version"], check=False).stdout)
    return found[1] if found else "legacy"


def _foreign_kubelet() -> int:
    """Return the pid of a kubelet that is not ours but sees our files, 0 when there is none.

    One inside a container (kind, minikube) has files of its own and is no trouble.
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
