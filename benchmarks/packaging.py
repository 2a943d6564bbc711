"""Measure the way from a joblib file and a CSV to the first answer, and packages of wide tables.

    .venv/bin/python -m benchmarks.packaging [CASE]...

Each case is fitted, written as a user would have it, and packaged by the command in a process of
its own; then the bundle is served, and asked its own sample until it answers. CPU seconds, wall
seconds and peak memory are those that the kernel has counted for the process. The goals are for a
quiet machine with two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from palmerpenguins import load_penguins
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelctl.proc import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = "target"
WIDE_COLUMNS = 5_000
WIDE_ROWS = 500
SECONDS_TO_ANSWER = 60.0
MODELCTL = (sys.executable, "-m", "modelctl")


@dataclass(frozen=True)
class Usage:
    """What one process has used."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Case:
    """A model with its sample; the goals are wall seconds to the first answer, and peak MB."""

    fit: Callable[[], tuple[Any, pd.DataFrame]]
    goal_seconds: float
    goal_mb: float


def mixed() -> tuple[Any, pd.DataFrame]:
    """Penguins: numbers and words with gaps, a forest of 100 trees."""
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    words = ["island", "sex"]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), words),
    )
    frame = load_penguins()[[*numbers, *words, "species"]].rename(columns={"species": TARGET})
    model = make_pipeline(prepare, RandomForestClassifier(100, random_state=0))
    return model.fit(frame.drop(columns=TARGET), frame[TARGET]), frame


def wide(model: Any) -> Callable[[], tuple[Any, pd.DataFrame]]:
    """A model of 5,000 numbers: a few of them decide, as in spectra and gene expression."""

    def fit() -> tuple[Any, pd.DataFrame]:
        rows = np.random.default_rng(0).normal(size=(WIDE_ROWS, WIDE_COLUMNS))
        labels = np.where(rows[:, :20].sum(axis=1) > 0, "high", "low")
        frame = pd.DataFrame(rows, columns=[f"gene_{i}" for i in range(WIDE_COLUMNS)])
        return model.fit(frame, labels), frame.assign(**{TARGET: labels})

    return fit


CASES = {
    "mixed columns": Case(mixed, 3, 500),
    "5,000 columns, logistic regression": Case(
        wide(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))), 60, 1_000
    ),
    "5,000 columns, forest": Case(wide(RandomForestClassifier(100, random_state=0)), 60, 1_000),
}


def main() -> int:
    """Measure each case and print one line for each process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    names = parser.parse_args().cases or list(CASES)
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"unknown case {unknown[0]!r}: expected {', '.join(map(repr, CASES))}")
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} cores" + (": not quiet" if load > 0.5 else ""))
    print(f"{'case':36} {'step':22} {'CPU s':>7} {'wall s':>7} {'peak MB':>8}  goal")
    missed = [name for name in names if not _measured(name, CASES[name])]
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


def _measured(name: str, case: Case) -> bool:
    """Print the figures of a case; whether it reached its goals."""
    with tempfile.TemporaryDirectory(prefix="ml-model-bench-") as folder:
        here = Path(folder)
        model, frame = case.fit()
        joblib.dump(model, here / "model.joblib")
        frame.to_csv(here / "sample.csv", index=False)
        package = _package(here)
        serve = _first_answer(here / "bundle")
    total = package.wall_seconds + serve.wall_seconds
    peak = max(package.peak_mb, serve.peak_mb)
    for step, usage in (("package", package), ("serve, first answer", serve)):
        print(
            f"{name:36} {step:22} {usage.cpu_seconds:7.2f} {usage.wall_seconds:7.2f} "
            f"{usage.peak_mb:8.0f}"
        )
    cpu = package.cpu_seconds + serve.cpu_seconds
    goal = f"{case.goal_seconds:g} s, {case.goal_mb:,.0f} MB"
    print(f"{name:36} {'both':22} {cpu:7.2f} {total:7.2f} {peak:8.0f}  {goal}", flush=True)
    return total <= case.goal_seconds and peak <= case.goal_mb


def _package(folder: Path) -> Usage:
    argv = [
        *(*MODELCTL, "package", str(folder / "model.joblib")),
        *("--sample", str(folder / "sample.csv"), "--target", TARGET),
        *("--name", "bench", "--version", "1.0.0", "--out", str(folder / "bundle")),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    return _waited(process, started, expected=0)


def _first_answer(bundle: Path) -> Usage:
    """Serve the bundle until it has answered its own first row."""
    sample = json.loads((bundle / "sample.json").read_bytes())
    body = json.dumps({"features": sample["rows"][0]})
    with tempfile.TemporaryFile() as log:
        port = free_port()
        started = time.perf_counter()
        argv = [*MODELCTL, "serve", str(bundle), "--port", str(port), "--workers", "1"]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            answer = _asked(port, body, started + SECONDS_TO_ANSWER)
            seconds = time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            usage = _waited(process, started, expected=None)
    if answer["prediction"] != sample["predictions"][0]:
        raise SystemExit(f"expected {sample['predictions'][0]}, found {answer['prediction']}")
    return Usage(usage.cpu_seconds, seconds, usage.peak_mb)


def _asked(port: int, body: str, end: float) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    while time.perf_counter() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_ANSWER)
        try:
            connection.request("POST", "/predict", body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status == 200:
                answer: dict[str, Any] = json.loads(text)
                return answer
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    raise SystemExit(f"no answer within {SECONDS_TO_ANSWER:g} s")


def _waited(process: subprocess.Popen[bytes], started: float, expected: int | None) -> Usage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if expected is not None and process.returncode != expected:
        raise SystemExit(f"exit code {process.returncode}: {process.args!r}")
    # Linux counts in KiB.
    return Usage(usage.ru_utime + usage.ru_stime, seconds, usage.ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    sys.exit(main())
