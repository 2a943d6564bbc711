"""The peak of a local server, measured with wrk."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 16
LOAD_CORE = "1"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Peak:
    """Result of a closed loop: requests per second, latencies in seconds, failures."""

    requests: int
    rps: float
    p50: float
    p99: float
    failed: int


def peak(url: str, body: str, folder: Path, seconds: int, *, warm_up: bool = True) -> Peak:
    """Run wrk on its own core: one second of warm-up, then `seconds` of measurement."""
    script = folder / "request.lua"
    script.write_text(
        'wrk.method="POST"\n'
        'wrk.headers["Content-Type"]="application/json"\n'
        f"wrk.body=[==[{body}]==]\n"
    )
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(script)]
    if warm_up:
        subprocess.run([*command, "-d1s", url], capture_output=True, check=True)
    done = subprocess.run(
        [*command, f"-d{seconds}s", "--latency", url], capture_output=True, check=True, text=True
    )
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return Peak(
        requests=int(_found(r"(\d+) requests in", done.stdout)),
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", done.stdout)),
        p50=_seconds(_found(r"(?m)^\s+50%\s+(\S+)", done.stdout)),
        p99=_seconds(_found(r"(?m)^\s+99%\s+(\S+)", done.stdout)),
        failed=int(failed[1]) if failed else 0,
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"unexpected output of wrk:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    if match is None:
        raise RuntimeError(f"not a duration: {text}")
    return float(match[1]) * UNITS[match[2]]
