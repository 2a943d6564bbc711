"""Start and stop components by a record of pid and kernel start time.

A pid alone may belong to another process after a crash or a reboot; the pid together with the
kernel's start time and the boot id cannot. Must not know what any component is for.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import cgroup, netns
from sandbox.errors import SandboxError
from sandbox.proc import run
from sandbox.wait import wait_until

if TYPE_CHECKING:
    from sandbox.component import Component
    from sandbox.layout import Layout

_LAUNCHER = Path(__file__).with_name("launch.py")
_KILL_DEADLINE_SECONDS = 10.0


@dataclass(frozen=True)
class Record:
    """Identity of a started process; `start_time` is in clock ticks since boot."""

    name: str
    pid: int
    start_time: int
    boot_id: str
    fingerprint: str


def ensure(layout: Layout, component: Component) -> float:
    """Start `component` unless it runs, and wait until it is ready; return the seconds it took.

    Keeps a process that runs by the same plan, restarts it when the plan has changed.
    Raises WaitError when it does not become ready, SandboxError when it cannot be started.
    """
    record = find_running(layout, component.name)
    if record is None or record.fingerprint != component.fingerprint:
        stop(layout, component.name, component.stop_seconds)
        _kill_unrecorded(component)
        start(layout, component)
    return wait_until(
        f"{component.name} ready",
        component.ready.check,
        component.ready_seconds,
        log=layout.log_file(component.name),
        alive=lambda: find_running(layout, component.name) is not None,
    )


def start(layout: Layout, component: Component) -> None:
    """Start `component` detached, in its own session and cgroup. Raises SandboxError."""
    for path, text in component.files.items():
        write_file(path, text)
    log, pid_file = layout.log_file(component.name), layout.pid_file(component.name)
    for folder in (log.parent, pid_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    plan = {
        "name": component.name,
        "fingerprint": component.fingerprint,
        "pid_file": str(pid_file),
        "log": str(log),
        "cwd": str(component.cwd or layout.home),
        "boot_id": boot_id(),
        "cgroup_procs": str(cgroup.component_procs(component.name)),
    }
    argv = netns.enter_argv(component.argv) if component.in_netns else list(component.argv)
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(plan)]
    run(["env", "-i", *environment(layout, component), *launcher, *argv])


def environment(layout: Layout, component: Component) -> list[str]:
    """Return the whole environment of a component as sorted `NAME=value` words."""
    merged = {
        "PATH": layout.path,
        "HOME": str(layout.home),
        "LANG": "C.UTF-8",
        **component.env,
    }
    return [f"{name}={value}" for name, value in sorted(merged.items())]


def stop(layout: Layout, name: str, deadline_seconds: float = 10) -> bool:
    """Stop the recorded process `name`: SIGTERM, after the deadline SIGKILL.

    Returns whether a process was stopped; a record whose pid now belongs to another process is
    only removed. Raises SandboxError when even SIGKILL does not end it.
    """
    record = read_record(layout, name)
    stopped = record is not None and _terminate(record, deadline_seconds)
    layout.pid_file(name).unlink(missing_ok=True)
    return stopped


def find_running(layout: Layout, name: str) -> Record | None:
    """Return the record of `name` if exactly that process is alive, else None."""
    record = read_record(layout, name)
    return record if record is not None and is_alive(record) else None


def recorded_names(layout: Layout) -> list[str]:
    """Return the names of all records, newest first: the reverse of the order of starting."""
    files = layout.pid_file("any").parent.glob("*.json")
    return [path.stem for path in sorted(files, key=lambda p: p.stat().st_mtime_ns, reverse=True)]


def read_record(layout: Layout, name: str) -> Record | None:
    """Return what is recorded about `name`, alive or not; None when nothing readable is."""
    try:
        return Record(**json.loads(layout.pid_file(name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def is_alive(record: Record) -> bool:
    """Return whether the recorded process itself (not a later owner of its pid) is alive."""
    if record.boot_id != boot_id():
        return False
    try:
        fields = Path(f"/proc/{record.pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie holds no resources; its parent has just not reaped it.
    return fields[0] not in "ZX" and int(fields[19]) == record.start_time


def started_at(record: Record) -> float:
    """Return when the process was started, in whole seconds of the Unix clock (rounded down)."""
    booted = re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    ticks = os.sysconf("SC_CLK_TCK")
    return int(booted[1]) + record.start_time // ticks if booted else 0


def boot_id() -> str:
    """Return the kernel's id of this boot: start times are counted from it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` to `path` atomically, readable by the owner only unless `mode` is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


def _kill_unrecorded(component: Component) -> None:
    """Kill leftovers of an earlier process of this name, recorded or not: never two kubelets."""
    only = component.argv[0] if component.leaves_children else ""
    cgroup.kill(cgroup.component_path(component.name), _KILL_DEADLINE_SECONDS, only)


def _terminate(record: Record, deadline_seconds: float) -> bool:
    try:
        # A descriptor refers to the process itself: a later owner of the pid is never signalled.
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(record):
            return False
        for number, seconds in (
            (signal.SIGTERM, deadline_seconds),
            (signal.SIGKILL, _KILL_DEADLINE_SECONDS),
        ):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], seconds)[0]:
                return True
    finally:
        os.close(descriptor)
    raise SandboxError(
        f"cannot stop {record.name}",
        found=f"pid {record.pid} is alive after SIGKILL",
        expected="no process",
        fix="it hangs in the kernel; see /proc/<pid>/stack, or restart the machine",
    )
