"""The state of the components, and their logs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import cgroup, cluster, process
from sandbox.errors import SandboxError
from sandbox.proc import stream

if TYPE_CHECKING:
    from sandbox.component import Component
    from sandbox.layout import Layout


def describe(layout: Layout) -> tuple[str, bool]:
    """Return a table of the components, and whether every one of them is ready."""
    components = [step.component for step in cluster.up_steps(layout) if step.component]
    rows = [_row(layout, component) for component in components]
    lines = [f"{'COMPONENT':<26}{'STATE':<12}{'PID':>8}{'MIB':>7}{'UP':>9}"]
    lines += [row for row, _ in rows]
    total = sum(map(_resident_mib, cgroup.all_members()))
    lines.append(f"all processes, pods included: {total} MiB resident")
    return "\n".join(lines), all(ready for _, ready in rows)


def log_names(layout: Layout) -> list[str]:
    """Return the names of the components that have a log."""
    return sorted(path.stem for path in layout.logs.glob("*.log"))


def show_log(layout: Layout, name: str, *, follow: bool) -> int:
    """Print the end of a component's log, or follow it. Raises SandboxError."""
    log = layout.log_file(name)
    if not log.exists():
        names = log_names(layout)
        raise SandboxError(
            f"no log of {name!r}",
            found=f"no {log}",
            expected=f"one of {', '.join(names)}" if names else "a component that was started",
            fix="choose a name that `python3 -m sandbox logs` lists",
        )
    return stream(["tail", "-n", "200", *(["-f"] if follow else []), log])


def _row(layout: Layout, component: Component) -> tuple[str, bool]:
    record = process.find_running(layout, component.name)
    if record is None:
        return f"{component.name:<26}{'stopped':<12}", False
    ready = component.ready.check().ready
    since = time.monotonic() - record.start_time / os.sysconf("SC_CLK_TCK")
    state = "ready" if ready else "not ready"
    memory = _resident_mib(record.pid)
    line = f"{component.name:<26}{state:<12}{record.pid:>8}{memory:>7}{since:>8.0f}s"
    return line, ready


def _resident_mib(pid: int) -> int:
    """Return a process's resident memory; 0 when it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
