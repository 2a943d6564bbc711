"""What the prediction cache does to three models, by how many requests repeat.

    python -m benchmarks.cache [--seconds 5]

One worker on one processor; the client and Redis have the other one. Each of a few connections asks
again as soon as it is answered. A request is one of some rows that were asked before, or one that
nobody has asked, in the given proportion. Redis is Debian's, over loopback: in a cluster it is
further away. Prints the table of docs/how-to/cache.md.
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import joblib
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import describe
from benchmarks.running import running
from benchmarks.servers import BENCH, Server
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

PORT, REDIS_PORT = 19_790, 19_791
CONNECTIONS = 4
# Rows that repeat: few enough for any memory.
REPEATED = 50
RATIOS = (0.0, 0.5, 0.95)
CACHES: dict[str, dict[str, str]] = {
    "off": {},
    "memory": {"CACHE_BYTES": str(64 * 1024 * 1024)},
    "Redis": {"CACHE_URL": f"redis://127.0.0.1:{REDIS_PORT}/0"},
}


@dataclass(frozen=True)
class Model:
    """A model of the table."""

    title: str
    name: str
    engine: str
    estimator: Any
    data: Any


MODELS = (
    Model(
        "logistic regression, onnx",
        "cache-linear",
        "auto",
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        load_iris,
    ),
    Model(
        "random forest of 300 trees, onnx",
        "cache-forest",
        "auto",
        RandomForestClassifier(300, random_state=0),
        load_breast_cancer,
    ),
    Model(
        "pipeline with 250 trees, scikit-learn",
        "cache-slow",
        "sklearn",
        make_pipeline(StandardScaler(), ExtraTreesClassifier(250, max_depth=8, random_state=0)),
        load_breast_cancer,
    ),
)


@dataclass(frozen=True)
class Measured:
    """What one load got; times in seconds."""

    times: list[float]
    seconds: float

    def share(self, part: float) -> float:
        """The time within which this part of the requests was answered."""
        return sorted(self.times)[min(len(self.times) - 1, int(part * len(self.times)))]

    def __str__(self) -> str:
        p50, p99 = self.share(0.5) * 1000, self.share(0.99) * 1000
        return f"{p50:.2f} / {p99:.2f} ms, {len(self.times) / self.seconds:,.0f}/s"


class Requests:
    """Requests of which a share is of rows that were asked before."""

    def __init__(self, row: list[float], seed: int) -> None:
        self._row = row
        self._chosen = random.Random(seed)  # noqa: S311 - no secret
        self._number = seed * 10_000_000
        self.repeated = [self.fresh() for _ in range(REPEATED)]

    def fresh(self) -> bytes:
        """Of a row that nobody has asked."""
        self._number += 1
        row = [self._row[0] + self._number * 1e-9, *self._row[1:]]
        body = json.dumps({"features": row}).encode()
        head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def next(self, ratio: float) -> bytes:
        """One of those, or of these."""
        is_repeated = self._chosen.random() < ratio
        return self._chosen.choice(self.repeated) if is_repeated else self.fresh()


def ask(requests: Requests, ratio: float, seconds: float) -> Measured:
    """Ask over all connections for so long. Raises RuntimeError for any other status than 200."""
    selector = selectors.DefaultSelector()
    started: dict[int, float] = {}
    times: list[float] = []

    def send(connection: socket.socket) -> None:
        request = requests.next(ratio)
        started[connection.fileno()] = time.perf_counter()
        connection.sendall(request)

    connections = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
    begun = time.perf_counter()
    for connection in connections:
        send(connection)
    while time.perf_counter() - begun < seconds:
        for key, _ in selector.select(1.0):
            connection = connections[[each.fileno() for each in connections].index(key.fd)]
            # Small enough to come in one piece over loopback.
            answer = connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"}"):
                raise RuntimeError(answer[:300].decode(errors="replace"))
            times.append(time.perf_counter() - started[key.fd])
            send(connection)
    elapsed = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    return Measured(times, elapsed)


def bundle(model: Model) -> tuple[Path, list[float]]:
    """Its bundle, and a row of its sample."""
    loaded = model.data(as_frame=True)
    frame: pd.DataFrame = loaded.data
    out, source = BENCH / "bundles" / model.name, BENCH / "training" / model.name
    source.mkdir(parents=True, exist_ok=True)
    model.estimator.fit(frame, loaded.target)
    joblib.dump(model.estimator, source / "model.joblib")
    frame.assign(target=loaded.target).to_csv(source / "sample.csv", index=False)
    request = Request(source, name=model.name, version="1.0.0", target="target")
    write(plan(read_training_output(request), engine=model.engine, tolerance=1e-6), out)
    return out.absolute(), list(map(float, frame.iloc[0]))


def server(folder: Path, environ: dict[str, str]) -> Server:
    """One worker with this cache."""
    own = {"MODEL_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(PORT), "WORKERS": "1"}
    argv = [sys.executable, "-m", "app"]
    return Server("ml-model", argv, PORT, "/ready", "/predict", "", {**own, **environ})


@contextmanager
def redis() -> Iterator[None]:
    """A Redis without data on a disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("error: redis-server is missing: apt-get install redis-server")
    argv = [program, "--bind", "127.0.0.1", "--port", str(REDIS_PORT), "--save", "",
            "--appendonly", "no"]  # fmt: skip
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=BENCH)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def metric(name: str) -> float:
    """The sum of the series of this name."""
    with urlopen(f"http://127.0.0.1:{PORT}/metrics") as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def measure(folder: Path, row: list[float], cache: str, seconds: float) -> dict[float, Measured]:
    """One cache of one model, by ratio of hits. Without a cache all ratios are the same load."""
    found = {}
    with running(server(folder, CACHES[cache]), BENCH / "cache.log"):
        while cache == "Redis" and not metric("ml_cache_connected"):
            time.sleep(0.05)
        requests = Requests(row, 1)
        ask(requests, 1.0, min(seconds, 1.0))
        for ratio in RATIOS if cache != "off" else RATIOS[:1]:
            before = metric("ml_cache_hits_total"), metric("ml_cache_misses_total")
            found[ratio] = ask(requests, ratio, seconds)
            hits, misses = (
                metric(name) - former
                for name, former in zip(
                    ("ml_cache_hits_total", "ml_cache_misses_total"), before, strict=True
                )
            )
            if cache != "off":
                print(f"  {cache} {ratio:.0%}: {hits / (hits + misses):.1%} hits, {found[ratio]}")
        errors = metric("ml_cache_errors_total")
        if errors:
            print(f"  {cache}: {errors:.0f} errors")
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache")
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    BENCH.mkdir(parents=True, exist_ok=True)
    lines = [
        "| model | computes | cache | 0 % hits | 50 % | 95 % |",
        "|---|--:|---|---|---|---|",
    ]
    with redis():
        for model in MODELS:
            folder, row = bundle(model)
            timings = json.loads((folder / "report.json").read_text())["timings"]
            engine = json.loads((folder / "manifest.json").read_text())["engine"]
            computes = timings[engine]["one_row_us"] / 1000
            for cache in CACHES:
                found = measure(folder, row, cache, seconds)
                cells = [str(found.get(ratio) or found[RATIOS[0]]) for ratio in RATIOS]
                lines.append(
                    f"| {model.title} | {computes:.3g} ms | {cache} | {' | '.join(cells)} |"
                )
                print(lines[-1], flush=True)
    print(f"\n{describe()}; {CONNECTIONS} connections, p50 / p99, {seconds:g} s each\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
