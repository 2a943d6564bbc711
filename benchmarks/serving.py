"""Compare our service with its peers and with echo servers: writes docs/benchmarks.md.

`make bench`, on a quiet machine with two cores: every server is pinned to one, the load to the
other, 16 connections, one row of JSON a request, servers one after the other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import page
from benchmarks.clients import Measured, open_loop, post
from benchmarks.load import CONNECTIONS, Peak, peak
from benchmarks.overload import Overload, overload
from benchmarks.running import answer_of, prefer, running
from benchmarks.servers import BENCH, PEERS, Server, echo, ours, peer
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output

if TYPE_CHECKING:
    from collections.abc import Sequence

# Whose models are packaged for our service.
FITTED = "flask"
WORKLOADS = ("lr", "rf", "penguins")
# The random forest on the scikit-learn engine: a model that takes milliseconds.
SLOW = "rf-sklearn"
FIRST_PORT = 19400
PENGUINS = Path("build/training/penguins/sample.csv")


@dataclass(frozen=True)
class Result:
    """One server under one workload."""

    server: str
    workload: str
    peak: Peak
    ready_seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Extra:
    """Measurements of our service only, and of the echo as its lower bound."""

    half_load: Measured
    half_load_of_echo: Measured
    # Median and 99th percentile (ms) of the same requests in our log.
    handling: tuple[float, float]
    private_mb: list[float]
    overloads: list[Overload]


def prepare(peers: Sequence[str] = PEERS) -> None:
    """Install the peers, fit the models in each environment, package ours."""
    for name in dict.fromkeys((FITTED, *peers)):
        folder = BENCH / name
        uv = str(Path(sys.executable).with_name("uv"))
        if not (folder / "bin" / "python").exists():
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        requirements = f"benchmarks/peers/{name}/requirements.txt"
        python = str(folder / "bin" / "python")
        _run(uv, "pip", "install", "--quiet", "--python", python, "-r", requirements)
        _run(python, "benchmarks/workloads.py", str(folder / "models"), str(PENGUINS))
    for workload in WORKLOADS:
        folder = BENCH / FITTED / "models" / workload
        request = Request(folder, name=workload, version="1.0.0", target="target")
        write(
            plan(read_training_output(request), engine="auto", tolerance=1e-6),
            BENCH / "bundles" / workload,
        )
        if workload == "rf":
            slow = plan(read_training_output(request), engine="sklearn", tolerance=1e-6)
            write(slow, BENCH / "bundles" / SLOW)


def measure(server: Server, workload: str, seconds: int) -> Result:
    """Start the server, verify one prediction, measure, stop."""
    with running(server, BENCH / f"{server.name}.log") as instance:
        status, body = answer_of(server)
        if status != 200:
            raise RuntimeError(
                f"{server.name} failed on {workload}: status {status} {body[:300]!r}"
            )
        result = Result(
            server=server.name,
            workload=workload,
            peak=peak(server.url, server.body, BENCH, seconds),
            ready_seconds=instance.seconds_to_ready,
            memory_mb=instance.memory_mb(),
        )
    print(
        f"{workload:9} {result.server:22} {result.peak.rps:8,.0f} rps  "
        f"p50 {result.peak.p50 * 1e3:7.2f} ms  p99 {result.peak.p99 * 1e3:7.2f} ms  "
        f"ready {result.ready_seconds:5.2f} s  {result.memory_mb:4.0f} MB  "
        f"failed {result.peak.failed}",
        flush=True,
    )
    return result


ASGI = ["-k", "asgi", "--asgi-lifespan", "off"]


def floors(workload: str, ports: itertools.count[int]) -> list[Server]:
    """Return the echo servers: Flask on the usual worker and on ours, and plain ASGI on ours."""
    usual = ["-k", "gthread", "--threads", "4", "benchmarks.echo:app"]
    return [
        echo(usual, "Flask echo, gthread(4)", next(ports), workload),
        echo([*ASGI, "benchmarks.echo_inline:app"], "Flask echo, inline", next(ports), workload),
        bare_echo(next(ports), workload),
    ]


def bare_echo(port: int, workload: str) -> Server:
    """Return gunicorn's own ASGI worker with the echo."""
    return echo([*ASGI, "benchmarks.echo_raw:app"], "ASGI echo", port, workload)


def half_load(server: Server, rps: float, seconds: int) -> Measured:
    """Measure latencies at a fixed rate, after a second of warm-up."""
    with running(server, BENCH / f"half-{server.name}.log"):
        request = post(server.path, server.body)
        open_loop(server.port, request, rps, 1, CONNECTIONS)
        found = open_loop(server.port, request, rps, seconds, CONNECTIONS)
    print(
        f"half      {server.name:22} {rps:8,.0f} rps  p50 {found.percentile(0.5) * 1e3:7.2f} ms  "
        f"p99 {found.percentile(0.99) * 1e3:7.2f} ms  {dict(found.answered)}",
        flush=True,
    )
    return found


def handling(count: int) -> tuple[float, float]:
    """Return the duration of the last requests at half load in our log."""
    lines = (BENCH / "half-ml-model.log").read_bytes().splitlines()[-count:]
    found = (json.loads(line).get("duration_ms") for line in lines)
    durations = sorted(duration for duration in found if duration is not None)
    return durations[len(durations) // 2], durations[int(len(durations) * 0.99)]


def extras(ports: itertools.count[int], peak_rps: float, seconds: int) -> Extra:
    """Measure latencies at half of the peak, private memory of three workers, and overload."""
    half = half_load(ours("lr", next(ports)), peak_rps / 2, seconds)
    ours_alone = handling(half.answered[200])
    half_of_echo = half_load(bare_echo(next(ports), "lr"), peak_rps / 2, seconds)
    server = ours("rf", next(ports), workers=3)
    with running(server, BENCH / "workers.log") as instance:
        peak(server.url, server.body, BENCH, 1)
        private = instance.private_mb()
    slow = ours("rf", next(ports), bundle_name=SLOW)
    overloads = overload(slow, ours("lr", next(ports)), seconds)
    return Extra(half, half_of_echo, ours_alone, private, overloads)


def main() -> None:
    """Run the benchmarks and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="seconds of each measurement")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--prepare-only", action="store_true")
    parser.add_argument(
        "--prepared", action="store_true", help="skip the preparation of peers and models"
    )
    arguments = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    if not arguments.prepared:
        prepare()
    if arguments.prepare_only:
        return
    ports = itertools.count(FIRST_PORT, 5)
    load_before = os.getloadavg()[0]
    prefer(os.getpid())
    results = []
    for workload in WORKLOADS:
        servers = floors(workload, ports) if workload == "lr" else []
        servers += [ours(workload, next(ports))]
        servers += [peer(name, workload, next(ports)) for name in PEERS]
        results += [measure(server, workload, arguments.seconds) for server in servers]
    lr = next(r for r in results if r.server == "ml-model" and r.workload == "lr")
    extra = extras(ports, lr.peak.rps, arguments.seconds)
    text = page.render(results, extra, load_before)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    main()
