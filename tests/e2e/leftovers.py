"""What a machine shows of a sandbox: compared before `make up` and after `make down`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.proc import run

if TYPE_CHECKING:
    from sandbox.layout import Layout


def snapshot(layout: Layout) -> dict[str, list[str]]:
    """Namespaces, interfaces, mounts, control groups and processes that could be ours, sorted.

    Whatever else runs on the machine comes and goes, so processes are those whose command line
    names our folders or binaries.
    """
    ours = (str(layout.home), str(layout.bin), "containerd-shim", "ml-model-sandbox")
    return {
        "namespaces": sorted(run(["ip", "netns", "list"]).stdout.split("\n")),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "mounts": sorted(
            line.split()[1]
            for line in Path("/proc/mounts").read_text().splitlines()
            if str(layout.home) in line or "/run/netns" in line
        ),
        "control groups": sorted(
            str(path) for path in Path("/sys/fs/cgroup").glob("**/*ml-model*") if path.is_dir()
        ),
        "processes": sorted(line for line in command_lines() if any(mark in line for mark in ours)),
        "firewall": run(["iptables-save"], check=False).stdout.splitlines(),
    }


def added(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """What `after` has and `before` has not, by kind.

    What is gone is nobody's loss: `make up` also removes what a killed sandbox has left behind.
    """
    new = {kind: sorted(set(after[kind]) - set(before[kind])) for kind in after}
    return {kind: lines for kind, lines in new.items() if lines}


def command_lines() -> list[str]:
    """The command line of every process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines
