"""Puts load on a local server and measures: wrk for peaks, a paced generator for latencies.

The generator sends at fixed times, however slow the answers are, and counts latency from the time a
request was due, so that a stalled server cannot hide its stalls.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 16
LOAD_CORE = "1"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Peak:
    """A closed loop's result: requests per second, latencies in seconds, answers beside 2xx."""

    rps: float
    p50: float
    p99: float
    failed: int


@dataclass(frozen=True)
class Paced:
    """An open loop's result: latencies in seconds from when each request was due."""

    offered: float
    answered: dict[int, int]
    p50: float
    p99: float
    seconds: float

    @property
    def goodput(self) -> float:
        """Successful answers per second."""
        return self.answered.get(200, 0) / self.seconds


def peak(url: str, body: str, folder: Path, seconds: int) -> Peak:
    """Run wrk on its own core: one second of warm-up, then `seconds` that count."""
    script = folder / "request.lua"
    script.write_text(
        'wrk.method="POST"\n'
        'wrk.headers["Content-Type"]="application/json"\n'
        f"wrk.body=[==[{body}]==]\n"
    )
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(script)]
    subprocess.run([*command, "-d1s", url], capture_output=True, check=True)
    done = subprocess.run(
        [*command, f"-d{seconds}s", "--latency", url], capture_output=True, check=True, text=True
    )
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return Peak(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", done.stdout)),
        p50=_seconds(_found(r"(?m)^\s+50%\s+(\S+)", done.stdout)),
        p99=_seconds(_found(r"(?m)^\s+99%\s+(\S+)", done.stdout)),
        failed=int(failed[1]) if failed else 0,
    )


def paced(port: int, path: str, body: str, rps: float, seconds: float, connections: int) -> Paced:
    """Send at a fixed rate over kept-alive connections."""
    return asyncio.run(_paced(port, path, body, rps, seconds, connections))


async def _paced(
    port: int, path: str, body: str, rps: float, seconds: float, connections: int
) -> Paced:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    due: asyncio.Queue[float] = asyncio.Queue()
    latencies: list[float] = []
    answered: dict[int, int] = {}

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            at = await due.get()
            writer.write(request)
            status = await _read_response(reader)
            answered[status] = answered.get(status, 0) + 1
            if status == 200:
                latencies.append(time.perf_counter() - at)
            due.task_done()

    clients = [asyncio.create_task(client()) for _ in range(connections)]
    started = time.perf_counter()
    for number in range(int(rps * seconds)):
        at = started + number / rps
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait(at)
    await asyncio.wait_for(due.join(), timeout=seconds + 60)
    took = time.perf_counter() - started
    for task in clients:
        task.cancel()
    latencies.sort()
    middle, high = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    return Paced(rps, answered, middle, high, took)


async def _read_response(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head[9:12])


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said something unexpected:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    if match is None:
        raise RuntimeError(f"no duration: {text}")
    return float(match[1]) * UNITS[match[2]]
