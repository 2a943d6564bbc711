"""What explanations cost a batch: rows/s of one process without and with `--explain`, and memory.

The same part is predicted both ways in turn; printed are medians. The rows are so many that the
engine predicts about as much for each model. Then the peak memory of processes that explain a part,
and one of ten times the rows.

    python -m benchmarks.batch_explained [--evaluations N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from app.batch import CHUNK_ROWS, planning
from app.batch.folders import LocalFolder
from app.batch.model import load
from app.batch.plan import load as load_plan
from app.batch.shard import ShardRunner
from app.model.bundle import verify
from benchmarks.batch import packaged, peak_kilobytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS = 3
# Rows that are predicted without an explanation: enough to be timed.
PLAIN_ROWS = 200_000


@dataclass(frozen=True)
class Case:
    """A model to fit, how many features it has, and whether it answers a number."""

    model: Any
    features: int
    is_regressor: bool = False


CASES = {
    "ridge": Case(Ridge(), 10, is_regressor=True),
    "logistic regression": Case(LogisticRegression(), 4),
    "forest of 100 trees": Case(RandomForestClassifier(100, max_depth=10, random_state=0), 4),
    "logistic regression, 10": Case(LogisticRegression(), 10),
}


def frame_of(rows: int, features: int) -> pd.DataFrame:
    """Random rows."""
    random = np.random.default_rng(0)
    names = [f"x{at}" for at in range(features)]
    return pd.DataFrame(random.normal(size=(rows, features)), columns=names)


def package(case: Case, folder: Path) -> Path:
    """Fit, and package as a bundle with a background of 100 rows."""
    frame = frame_of(2000, case.features)
    total: NDArray[np.float64] = frame.to_numpy() @ np.arange(1, case.features + 1)
    labels = total if case.is_regressor else np.where(total > 0, "yes", "no")
    return packaged(case.model, frame, labels, folder, explain=True)


def plan(bundle: Path, frame: pd.DataFrame, out: Path, *, explain: bool) -> None:
    """One part of all rows."""
    rows = out.with_suffix(".parquet")
    frame.to_parquet(rows, row_group_size=CHUNK_ROWS)
    request = planning.Request(
        bundle=verify(bundle),
        path="",
        inputs=(str(rows),),
        shard_rows=10**12,
        chunk_rows=CHUNK_ROWS,
        explain=explain,
    )
    folder = LocalFolder(out)
    planning.write(planning.make(request, folder), folder)


def runner_of(bundle: Path, out: Path) -> ShardRunner:
    """What predicts the plan of a folder."""
    folder = LocalFolder(out)
    planned = load_plan(folder)
    return ShardRunner(
        planned, folder, load(bundle, planned.bundle.digest, explain=planned.explain)
    )


def seconds(runner: ShardRunner, out: Path) -> float:
    """How long it takes to write the part; it is removed."""
    started = time.perf_counter()
    runner.run(0, lambda _: None)
    taken = time.perf_counter() - started
    for path in (out / "part-00000.parquet", out / "rejected/part-00000.parquet"):
        path.unlink()
    return taken


def compare(name: str, evaluations: int, folder: Path) -> None:
    """Print rows/s of both ways for one model."""
    case = CASES[name]
    bundle = package(case, folder / "model")
    explainer = load(bundle, verify(bundle).digest, explain=True).explainer
    if explainer is None:
        raise AssertionError("the bundle was packaged to be explained")
    explained_rows = max(20, evaluations // explainer.evaluations)
    counts = {False: PLAIN_ROWS, True: explained_rows}
    runners = {}
    for explain, count in counts.items():
        out = folder / f"out-{explain}"
        plan(bundle, frame_of(count, case.features), out, explain=explain)
        runners[explain] = runner_of(bundle, out)
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for explain, runner in runners.items():
            taken[explain].append(seconds(runner, folder / f"out-{explain}"))
    speeds = {explain: counts[explain] / statistics.median(taken[explain]) for explain in taken}
    print(
        f"{name:24} {case.features:3} features  {explainer.plan.method:12} "
        f"{explainer.evaluations:8,} predictions a row  {speeds[False]:10,.0f} rows/s, "
        f"explained {speeds[True]:8,.1f}",
        flush=True,
    )


def memory(folder: Path) -> None:
    """Print the peak memory of a process that explains so many rows."""
    case = CASES["ridge"]
    bundle = package(case, folder / "model")
    for rows in (20_000, 200_000):
        out = folder / f"memory-{rows}"
        plan(bundle, frame_of(rows, case.features), out, explain=True)
        argv = [sys.executable, "-m", "benchmarks.batch_explained", "--measure", str(out)]
        printed = subprocess.run([*argv, str(bundle)], check=True, stdout=subprocess.PIPE).stdout
        peak = json.loads(printed)["kilobytes"] / 1024
        print(f"{rows:12,} rows explained: peak memory {peak:,.0f} MB", flush=True)


def measure(out: Path, bundle: Path) -> None:
    """Explain the part of a plan; print the peak memory of this process."""
    seconds(runner_of(bundle, out), out)
    print(json.dumps({"kilobytes": peak_kilobytes()}))


def main() -> None:
    """Compare, then measure memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--evaluations", type=int, default=5_000_000, help="predictions for each model"
    )
    parser.add_argument("--measure", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measure(*arguments.measure)
        return
    for name in CASES:
        with tempfile.TemporaryDirectory(prefix="bench-explained-") as folder_name:
            compare(name, arguments.evaluations, Path(folder_name))
    with tempfile.TemporaryDirectory(prefix="bench-explained-") as folder_name:
        memory(Path(folder_name))


if __name__ == "__main__":
    main()
