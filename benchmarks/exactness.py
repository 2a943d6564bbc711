"""Engine, accuracy and speed of each estimator family: writes docs/reference/exactness.md.

Run on a quiet machine: `make bench-exactness`. Takes a few minutes; every figure is measured.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from benchmarks import steps
from benchmarks.families import FAMILIES, Case, cases
from benchmarks.machine import describe
from modelctl.packaging.engines import attempt_all, chosen
from modelctl.packaging.inference import infer
from modelctl.packaging.parity import Parity, encode

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE = 1e-6
MANY = 1000
TIMING_SECONDS = 0.25
OUT = Path("docs/reference/exactness.md")
HEAD = """\
# Exactness of the onnx engine

Written by `make bench-exactness`; do not edit. Every estimator is fitted on real data, packaged by
the same code as `modelctl package`, and compared with scikit-learn over its own sample, 10,000
perturbed rows and, for trees, both float neighbours of every split threshold. Deviation is of
probabilities for classifiers and relative to max(1, |y|) for regressors. Ties (two classes equally
probable to 1e-12) are counted apart: either label is right.

Times are the best of a quarter second on one thread: for scikit-learn one call of `predict_proba`
(`predict` where there is none) on a ready DataFrame, for onnx label and probabilities together.

XGBoost, LightGBM and CatBoost are compared with themselves: "sklearn" stands for their own
`predict`.

Data: breast cancer (569 rows, 30 numbers) and diabetes (442 rows, 10 numbers) for *none* and
*scaler*; penguins (344 rows, numbers and strings with missing values) for *columns*: imputers,
scaler, one-hot and ordinal encoding.

"""


@dataclass(frozen=True)
class Row:
    """One row of the table. Times in microseconds."""

    case: Case
    engine: str
    reason: str
    parity: Parity | None
    sklearn_one: float
    onnx_one: float | None
    sklearn_many: float
    onnx_many: float | None


def best_us(call: Callable[[], object]) -> float:
    """Return the best time of one call, in microseconds."""
    call()
    best, end = float("inf"), time.perf_counter() + TIMING_SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best * 1e6


def measure(case: Case) -> Row:
    """Fit, package in memory, compare, time."""
    with warnings.catch_warnings():
        # Iterative solvers stop early here on purpose.
        warnings.simplefilter("ignore")
        model, features, target = case.fitted()
    subject, _ = infer(model, features, target)
    contract, frame = subject.contract, subject.frame
    rows = subject.rows(frame)
    attempts, _ = attempt_all(subject, wanted="auto", tolerance=TOLERANCE)
    onnx = attempts[0].engine
    many = encode((rows * (MANY // len(rows) + 1))[:MANY], contract)
    one = encode(rows[:1], contract)
    many_frame = frame.iloc[[index % len(frame) for index in range(MANY)]]
    raw = model.predict_proba if contract.output.probabilities else model.predict
    return Row(
        case=case,
        engine=chosen(attempts).name,
        reason=attempts[0].reason,
        parity=attempts[0].parity,
        sklearn_one=best_us(lambda: raw(frame.iloc[:1])),
        onnx_one=None if onnx is None else best_us(lambda: onnx.predict(one)),
        sklearn_many=best_us(lambda: raw(many_frame)),
        onnx_many=None if onnx is None else best_us(lambda: onnx.predict(many)),
    )


def table(rows: list[Row]) -> str:
    """Return the markdown table and its summary."""
    lines = [
        "| family | kind | before it | engine | rows | labels differ | ties | max deviation "
        "| 1 row: sklearn | onnx | ratio | 1000 rows: sklearn | onnx | ratio |",
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [_line(row) for row in rows]
    families = {row.case.family.name for row in rows}
    exact = families - {row.case.family.name for row in rows if row.engine != "onnx"}
    trees = [row for row in rows if row.case.family.is_tree and row.onnx_one]
    slowest = min((row.sklearn_one / (row.onnx_one or 1) for row in trees), default=0.0)
    summary = (
        f"\n{len(exact)} of {len(families)} families get the exact onnx engine in every "
        f"combination. One row of a tree family is at least {slowest:.0f} times faster.\n"
    )
    return "\n".join(lines) + "\n" + summary


def _line(row: Row) -> str:
    parity = row.parity
    compared = ("", "", "", row.reason) if parity is None else (
        f"{sum(parity.rows.values()):,}",
        str(parity.label_mismatches),
        str(parity.ties),
        f"{parity.max_abs_diff:.0e}",
    )  # fmt: skip
    cells: list[Any] = [row.case.family.name, row.case.kind, row.case.preprocessing, row.engine]
    cells += [*compared, *_times(row.sklearn_one, row.onnx_one)]
    cells += _times(row.sklearn_many, row.onnx_many)
    return "| " + " | ".join(map(str, cells)) + " |"


def _times(sklearn: float, onnx: float | None) -> list[str]:
    if onnx is None:
        return [f"{sklearn:,.0f} µs", "", ""]
    return [f"{sklearn:,.0f} µs", f"{onnx:,.0f} µs", f"{sklearn / onnx:,.0f}"]


def main() -> None:
    """Measure every case and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--steps", action="store_true", help="write only the table of steps, which has no times"
    )
    arguments = parser.parse_args()
    out = arguments.out
    rows: list[Row] = []
    with threadpool_limits(1):
        if arguments.steps:
            families = out.read_text(encoding="utf-8").partition(steps.TITLE)[0].rstrip()
            out.write_text(f"{families}\n\n{steps.section()}", encoding="utf-8")
            return
        for case in cases():
            row = measure(case)
            rows.append(row)
            print(_line(row), flush=True)
        section = steps.section()
    out.write_text(f"{HEAD}{describe()}\n\n{table(rows)}\n{section}", encoding="utf-8")
    print(f"{len(rows)} combinations of {len(FAMILIES)} families -> {out}")


if __name__ == "__main__":
    main()
