"""Detach one process: run as a script by `process.start`, becomes the component.

The child records itself *before* it becomes the component, so that a process whose parent is
killed at any moment can still be found and stopped. It runs as a separate small script instead
of a `preexec_fn`, which is unsafe beside threads. Must not import the package: it starts in
isolated mode, in about 15 ms.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn


def main() -> int:
    """Start `argv[2:]` by the plan in `argv[1]`; return 0 when it runs, 1 when it cannot."""
    plan: dict[str, str] = json.loads(sys.argv[1])
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        _become(plan, sys.argv[2:], write_end)
    os.close(write_end)
    # Closed by the child's exec; bytes in it mean that the exec failed.
    with os.fdopen(read_end) as stream:
        problem = stream.read()
    sys.stderr.write(problem)
    return 1 if problem else 0


def _become(plan: dict[str, str], argv: list[str], write_end: int) -> NoReturn:
    try:
        os.setsid()
        with open(plan["cgroup_procs"], "w") as stream:  # noqa: PTH123 - no pathlib: start fast
            stream.write(str(os.getpid()))
        _record(plan)
        log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(plan["cwd"])
        os.execvp(argv[0], argv)  # noqa: S606 - a list without a shell is the rule here
    except OSError as error:
        os.write(write_end, f"{argv[0]}: {error}\n".encode())
    os._exit(1)


def _record(plan: dict[str, str]) -> None:
    with open("/proc/self/stat") as stream:  # noqa: PTH123
        # The command name may hold blanks and brackets; the 22nd field is counted after it.
        start_time = stream.read().rpartition(")")[2].split()[19]
    record = {
        "name": plan["name"],
        "pid": os.getpid(),
        "start_time": int(start_time),
        "boot_id": plan["boot_id"],
        "fingerprint": plan["fingerprint"],
    }
    temporary = f"{plan['pid_file']}.{os.getpid()}.tmp"
    with open(temporary, "w") as stream:  # noqa: PTH123
        json.dump(record, stream)
    os.replace(temporary, plan["pid_file"])  # noqa: PTH105


if __name__ == "__main__":
    sys.exit(main())
