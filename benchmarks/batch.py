"""A batch of rows on one process: beside the bare engine and a loop over scikit-learn, and memory.

The rows are written to disk chunk by chunk. Every way sees the same chunks, one after the other and
in turn, so that what else the machine does hits all of them. Printed are medians and their ratios,
then speed and peak memory of a process that predicts one part of ever more rows.

    python -m benchmarks.batch [--rows N] [--memory-rows N ...]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from app.batch import CHUNK_ROWS, planning
from app.batch.folders import LocalFolder
from app.batch.model import load
from app.batch.plan import load as load_plan
from app.batch.shard import ShardRunner
from app.model.bundle import verify
from modelctl.batch import places
from modelctl.packaging.package import plan as plan_package
from modelctl.packaging.package import write as write_bundle
from modelctl.packaging.training_output import Request, read_training_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sklearn.base import ClassifierMixin

    from app.batch.plan import Plan

COLUMNS = [f"x{index}" for index in range(10)]
FLOATS = pa.float64()
# Chunks of a row group: 200,000 rows.
GROUP_CHUNKS = 20
ROUNDS = 3
MEMORY_ROWS = [1_000_000, 10_000_000, 50_000_000]
# Of a row in the input and in a part, with some to spare.
ROW_BYTES = 70
MODELS: dict[str, tuple[ClassifierMixin, int]] = {
    "forest of 100 trees": (RandomForestClassifier(100, max_depth=10, random_state=0), 1),
    "logistic regression": (LogisticRegression(), 10),
}


def chunks(count: int) -> Iterator[pd.DataFrame]:
    """Random rows, the same for every call."""
    random = np.random.default_rng(0)
    for _ in range(0, count, CHUNK_ROWS):
        yield pd.DataFrame(random.normal(size=(CHUNK_ROWS, len(COLUMNS))), columns=COLUMNS)


def generate(path: Path, count: int, kind: pa.DataType = FLOATS) -> None:
    """Write rows to disk, never holding more than a row group."""
    schema = pa.schema([(name, kind) for name in COLUMNS])
    held: list[pa.Table] = []
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for frame in chunks(count):
            held.append(pa.Table.from_pandas(frame, preserve_index=False).cast(schema))
            if len(held) == GROUP_CHUNKS:
                writer.write_table(pa.concat_tables(held))
                held = []
        if held:
            writer.write_table(pa.concat_tables(held))


def package(model: Any, folder: Path) -> Path:
    """Fit on generated rows, and package."""
    frame = next(chunks(CHUNK_ROWS))[:2000]
    labels = np.where(frame["x0"] + frame["x1"] * frame["x2"] > 0, "yes", "no")
    return packaged(model, frame, labels, folder)


def packaged(
    model: Any, frame: pd.DataFrame, labels: Any, folder: Path, *, explain: bool = False
) -> Path:
    """Fit on these rows, and package as a bundle with the onnx engine."""
    folder.mkdir()
    joblib.dump(model.fit(frame, labels), folder / "model.joblib")
    frame.assign(label=labels).to_csv(folder / "sample.csv", index=False)
    request = Request(folder, name="bench", version="1.0.0", target="label", explain=explain)
    planned = plan_package(read_training_output(request), engine="onnx", tolerance=1e-6)
    write_bundle(planned, folder / "bundle")
    return folder / "bundle"


def plan(bundle: Path, rows: Path, out: Path) -> Plan:
    """One part of all rows, with probabilities."""
    folder = LocalFolder(out)
    request = planning.Request(
        bundle=verify(bundle),
        path=places.bundle_path(bundle, folder),
        inputs=(str(rows),),
        shard_rows=10**12,
        chunk_rows=CHUNK_ROWS,
        probabilities=True,
    )
    planned = planning.make(request, folder)
    planning.write(planned, folder)
    return planned


def runner_of(planned: Plan, bundle: Path, out: Path) -> ShardRunner:
    """What predicts a plan."""
    folder = LocalFolder(out)
    model = load(bundle, planned.bundle.digest)
    return ShardRunner(planned, folder, model)


def run_batch(runner: ShardRunner, out: Path) -> None:
    """Verify, read, validate, predict and write all rows."""
    runner.run(0, lambda _: None)
    for path in (out / "part-00000.parquet", out / "rejected/part-00000.parquet"):
        path.unlink()


def session(bundle: Path) -> Any:
    """The bare engine, with one thread as in the service."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def compare(name: str, count: int, folder: Path) -> None:
    """Print rows/s of each way for one model."""
    model, factor = MODELS[name]
    count *= factor
    bundle = package(model, folder / "model")
    rows, out = folder / "rows.parquet", folder / "out"
    generate(rows, count)
    planned = plan(bundle, rows, out)
    bare = session(bundle)
    runner = runner_of(planned, bundle, out)
    frames = list(chunks(count))
    matrices = [frame.to_numpy() for frame in frames]
    ways: dict[str, Callable[[], object]] = {
        "modelctl batch": lambda: run_batch(runner, out),
        "bare onnxruntime": lambda: [
            bare.run(["label", "probability"], {"rows": matrix}) for matrix in matrices
        ],
        "scikit-learn loop": lambda: [
            (model.predict(frame), model.predict_proba(frame)) for frame in frames
        ],
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, act in ways.items():
            taken[way].append(seconds(act))
    ours = statistics.median(taken["modelctl batch"])
    for way, times in taken.items():
        median = statistics.median(times)
        ratio = f"batch has {median / ours:.2f} of it" if way != "modelctl batch" else ""
        print(f"{name:20} {way:18} {count / median:12,.0f} rows/s  {ratio}", flush=True)


def memory(counts: list[int], folder: Path) -> None:
    """Print speed and peak memory of a process that predicts one part of so many rows."""
    bundle = package(MODELS["logistic regression"][0], folder / "model")
    for rows in counts:
        path, out = folder / f"{rows}.parquet", folder / f"out-{rows}"
        # Half the size on disk: fifty million rows are 2 GB.
        generate(path, rows, pa.float32())
        plan(bundle, path, out)
        argv = [sys.executable, "-m", "benchmarks.batch", "--measure", str(out)]
        printed = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
        size = path.stat().st_size / 2**20
        path.unlink()
        shutil.rmtree(out)
        print(
            f"{rows:12,} rows, {size:7,.0f} MB: {rows / printed['seconds']:12,.0f} rows/s, "
            f"peak memory {printed['kilobytes'] / 1024:,.0f} MB",
            flush=True,
        )


def measure(out: Path) -> None:
    """Predict the part of a plan; print the seconds and the peak memory of this process."""
    planned = load_plan(LocalFolder(out))
    bundle = places.bundle_of(planned, LocalFolder(out), None)
    runner = runner_of(planned, bundle, out)
    taken = seconds(lambda: run_batch(runner, out))
    print(json.dumps({"seconds": taken, "kilobytes": peak_kilobytes()}))


def peak_kilobytes() -> int:
    """The peak memory of this process. Not ru_maxrss, which begins with that of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Compare, then measure memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows for the forest")
    parser.add_argument(
        "--memory-rows", type=int, nargs="*", default=MEMORY_ROWS, help="rows of one part"
    )
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measure(arguments.measure)
        return
    needed = max(arguments.memory_rows, default=0) * ROW_BYTES
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        sys.exit(f"expected {needed:,} bytes free in {tempfile.gettempdir()}, found {free:,}")
    for name in MODELS:
        with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder_name:
            compare(name, arguments.rows, Path(folder_name))
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder_name:
        memory(arguments.memory_rows, Path(folder_name))


if __name__ == "__main__":
    main()
