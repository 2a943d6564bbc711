"""The cost of metrics: CPU time of a request with all of them, without drift, and without any.

    python -m benchmarks.metrics [--rounds 15]

Compares the CPU time of a request, see `turns`, which is its duration on an idle core. The target
for drift counting is at most 5 % of the throughput.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import urlopen

from benchmarks.machine import describe
from benchmarks.running import prefer
from benchmarks.servers import BENCH, Server, ours
from benchmarks.turns import in_turns, share
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output

FIRST_PORT = 19_700
MAX_DRIFT_SHARE = 0.05
SCRAPES = 20
PENGUINS = Path("build/training/penguins/sample.csv")
BATCH_ROWS = 100


@dataclass(frozen=True)
class Case:
    """One model and the rows of each request."""

    title: str
    workload: str
    rows: int = 1


CASES = (
    Case("iris: 4 numbers, one row", "lr"),
    Case("penguins: 4 numbers and 2 categories, one row", "penguins"),
    Case("forest: 20 numbers, one row", "rf"),
    Case(f"forest: 20 numbers, {BATCH_ROWS} rows", "rf", BATCH_ROWS),
)


def prepare() -> None:
    """Fit and package the models of the comparison, as `make bench` does."""
    models = BENCH / "flask" / "models"
    if not (models / "penguins" / "sample.csv").exists():
        script = "benchmarks/workloads.py"
        subprocess.run([sys.executable, script, str(models), str(PENGUINS)], check=True)
    for workload in {case.workload for case in CASES}:
        request = Request(models / workload, name=workload, version="1.0.0", target="target")
        write(
            plan(read_training_output(request), engine="auto", tolerance=1e-6),
            BENCH / "bundles" / workload,
        )


def variants(case: Case, port: int) -> list[Server]:
    """Return the servers with all metrics, without drift, and without metrics."""
    servers = []
    for index, (name, env) in enumerate((("all", {}), ("no drift", {"DRIFT_MAX_FEATURES": "0"}))):
        server = ours(case.workload, port + index, env=env)
        servers.append(replace(server, name=name))
    plain = ours(case.workload, port + 2)
    argv = [sys.executable, "-m", "benchmarks.uncounted"]
    servers.append(replace(plain, name="no metrics", argv=argv))
    if case.rows > 1:
        row = json.loads(plain.body)["features"]
        body = json.dumps({"instances": [row] * case.rows})
        servers = [replace(server, body=body) for server in servers]
    return servers


def measure(case: Case, port: int, rounds: int) -> list[list[float]]:
    """Return CPU seconds of a request by round and variant; print a row of the table."""
    servers = variants(case, port)
    found, (scrape, series) = in_turns(servers, rounds, lambda: scrapes(servers[0].port))
    counted, driftless, bare = (statistics.median(column) for column in zip(*found, strict=True))
    drift, total = share(found, 0, 1), share(found, 0, 2)
    print(
        f"| {case.title} | {counted * 1e6:.1f} µs | {driftless * 1e6:.1f} µs | {bare * 1e6:.1f} µs "
        f"| {drift:.1%} | {total:.1%} | {series} | {scrape * 1e3:.1f} ms |",
        flush=True,
    )
    return found


def scrapes(port: int) -> tuple[float, int]:
    """Return the median time of /metrics, and its number of series."""
    seconds = []
    for _ in range(SCRAPES):
        started = time.perf_counter()
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read()
        seconds.append(time.perf_counter() - started)
    lines = [line for line in text.splitlines() if not line.startswith(b"#")]
    return statistics.median(seconds), len(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--prepared", action="store_true", help="skip the preparation of models")
    parser.add_argument(
        "--case", type=int, action="append", help="run only this case (index from 0)"
    )
    arguments = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    if not arguments.prepared:
        prepare()
    prefer(os.getpid())
    print(describe(), "\n")
    print("| | all metrics | without drift | without metrics | drift | all", end="")
    print(" | series | a scrape |\n|---|" + "--:|" * 7)
    worst = 0.0
    chosen = [CASES[index] for index in arguments.case] if arguments.case else CASES
    for index, case in enumerate(chosen):
        worst = max(worst, share(measure(case, FIRST_PORT + 5 * index, arguments.rounds), 0, 1))
    if worst > MAX_DRIFT_SHARE:
        print(
            f"target missed: drift counting takes more than {MAX_DRIFT_SHARE:.0%}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
