"""CPU time, memory and files of the master and its workers, as /proc has them (Linux)."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Positions in /proc/<pid>/stat behind the name: own time, that of ended children, and the start.
UTIME, STIME, CUTIME, CSTIME, START = 11, 12, 13, 14, 19


def cpu_seconds(master: int, workers: list[int]) -> float:
    """Time of all of them, and of workers that have ended, so that it only ever grows."""
    while True:
        before = _times(master)
        running = sum(sum(_times(pid)) for pid in workers)
        after = _times(master)
        # A worker that ended in between would be counted twice or not at all.
        if before[2:] == after[2:]:
            return (sum(after) + running) / TICKS


def memory_bytes(pids: list[int]) -> float:
    """What they cost together: pages they share since the fork count once, where the kernel tells.

    Files they have read (libraries) count once too, by the process that has most of them.
    """
    known = [rollup for pid in pids if (rollup := _rollup(pid))]
    if not known:
        return float(sum(map(_resident, pids)))
    return float(sum(own for own, _ in known) + max(files for _, files in known)) * 1024


def open_files(pids: list[int]) -> float:
    """The most descriptors that one of them has open: the limit is each process's own."""
    return float(max(map(_files, pids), default=0))


def max_files() -> float:
    """How many descriptors a process may have."""
    return float(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def start_time(pid: int) -> float:
    """When a process started, in seconds since the epoch."""
    since_boot = int(_stat(pid)[START]) / TICKS
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _times(pid: int) -> list[int]:
    try:
        fields = _stat(pid)
    except OSError:
        return [0, 0, 0, 0]
    return [int(fields[at]) for at in (UTIME, STIME, CUTIME, CSTIME)]


def _rollup(pid: int) -> tuple[int, int] | None:
    """Kilobytes of its own with its share of what is shared, and of files; None if it is gone."""
    try:
        rollup, status = (_kilobytes(pid, file) for file in ("smaps_rollup", "status"))
        return rollup["Pss_Anon"] + rollup["Pss_Shmem"], status["RssFile"]
    except (OSError, KeyError):
        return None


def _kilobytes(pid: int, file: str) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/{file}").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1] == "kB"}


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def _files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
