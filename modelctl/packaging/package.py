"""A fitted estimator and a sample -> a verified bundle on disk.

`plan` computes everything, `write` puts it in place; the same inputs give the same bytes.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson
from threadpoolctl import threadpool_limits

from app.model.bundle import MANIFEST, SCHEMA_VERSION, canonical, digest_of, verify
from app.model.engine import SAMPLE
from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import align
from modelctl.packaging.candidates import json_rows
from modelctl.packaging.contracts import as_fitted, infer
from modelctl.packaging.custom_code import foreign_modules
from modelctl.packaging.engines import Attempt, attempt_all, chosen, seconds_per_call
from modelctl.packaging.notes import notes_on
from modelctl.packaging.parity import check_reference, encode
from modelctl.packaging.reference import prediction_reference, reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.model.contract import Contract, Label
    from modelctl.packaging.training_output import Material

REPORT = "report.json"
# Rows kept in the bundle for the self-test at start, spread over the sample.
SAMPLE_ROWS = 20
RECORDED = ("scikit-learn", "numpy", "scipy", "pandas", "onnxruntime", "onnx")


@dataclass(frozen=True)
class Plan:
    """A bundle before it is written: its files, its manifest, and what was tried."""

    manifest: dict[str, Any]
    files: dict[str, bytes]
    report: dict[str, Any]
    attempts: list[Attempt]
    notes: list[str]

    @property
    def digest(self) -> str:
        """The digest the bundle will have."""
        return digest_of(canonical(self.manifest))


def plan(
    material: Material,
    *,
    engine: str,
    tolerance: float,
    say: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Infer the contract, choose the engine by the gate. Raises ModelctlError.

    `say` is told what is being done: a large forest takes a while.
    """
    # As in a worker, and the timings mean something on a busy machine.
    with threadpool_limits(1):
        return _plan(material, engine, tolerance, say)


def _plan(material: Material, engine: str, tolerance: float, say: Callable[[str], None]) -> Plan:
    estimator = material.estimator
    say("reading the contract from the estimator and the sample")
    frame = align(estimator, material.features)
    contract = infer(estimator, frame, material.target)
    rows = json_rows(frame, contract)
    attempts = attempt_all(estimator, contract, rows, wanted=engine, tolerance=tolerance, say=say)
    say("comparing the sample as JSON with the sample as read")
    _check_sample(material, frame, contract, rows, attempts)
    winner = chosen(attempts)
    foreign = foreign_modules(estimator)
    if winner.engine is None:
        raise ModelctlError("no engine was accepted")
    predictions = winner.engine.predict(encode(rows, contract)).values
    files = {SAMPLE: _sample(rows, predictions)}
    if winner.model is not None:
        files["model.onnx"] = winner.model
    else:
        files["model.joblib"] = material.model_bytes
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": material.name,
        "version": material.version,
        "description": material.description,
        "created": material.created,
        "engine": winner.name,
        "engines_tried": [attempt.as_manifest() for attempt in attempts],
        "environment": {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "libraries": {name: version(name) for name in RECORDED},
            "foreign_modules": foreign,
        },
        "files": {name: _entry(data) for name, data in files.items()},
        **contract.as_manifest(),
        "metrics": material.metrics,
        "training": material.training,
        "parity": None if winner.parity is None else winner.parity.as_manifest(),
        "reference": reference(frame, contract),
        "prediction_reference": prediction_reference(predictions, contract.output),
    }
    say("measuring the speed of each engine")
    report = _report(attempts, rows, contract)
    notes = notes_on(material, frame, winner.name, foreign)
    return Plan(manifest, files, report, attempts, notes)


def write(planned: Plan, out: Path) -> str:
    """Write the bundle beside `out`, verify it, and put it in place of an older one.

    Returns the digest. Raises ModelctlError, or BundleRefusedError if the disk lies.
    """
    if out.exists() and not (out / MANIFEST).exists() and (out.is_file() or any(out.iterdir())):
        raise ModelctlError(
            f"{out} exists and is no bundle",
            expected="a new folder, or an older bundle to replace",
            fix="choose another --out, or remove it yourself",
        )
    staging = out.with_name(f".{out.name}.writing-{os.getpid()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.mkdir()
        # Read by another user inside the container, whatever the umask here.
        staging.chmod(0o755)
        files = {**planned.files, MANIFEST: canonical(planned.manifest)}
        files[REPORT] = orjson.dumps(planned.report, option=orjson.OPT_INDENT_2)
        for name, data in files.items():
            (staging / name).write_bytes(data)
            (staging / name).chmod(0o644)
        digest = verify(staging, planned.digest).digest
        if out.exists():
            shutil.rmtree(out)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return digest


def _check_sample(
    material: Material,
    frame: Any,
    contract: Contract,
    rows: list[list[Any]],
    attempts: list[Attempt],
) -> None:
    """The contract must carry the sample without loss, or no engine could be right."""
    sklearn = attempts[-1].engine
    if sklearn is None:
        return
    given = as_fitted(material.estimator, frame)
    try:
        wrong = check_reference(material.estimator, given, sklearn, encode(rows, contract))
    except Exception as error:  # a pipeline runs whatever its steps do
        raise ModelctlError(
            "the model cannot predict its sample as it was read from the file",
            found=f"{type(error).__name__}: {error}"[:500],
            fix="write the sample from the frame that was passed to fit",
        ) from error
    if wrong:
        raise ModelctlError(
            "the model predicts rows of the sample differently once they were sent as JSON",
            found=f"{len(wrong)} rows, the first is row {wrong[0]}",
            expected="a sample whose columns have the types the model was fitted on",
            fix="write the sample from the frame that was passed to fit (parquet keeps types)",
        )


def _sample(rows: list[list[Any]], predictions: list[Label]) -> bytes:
    step = max(1, len(rows) // SAMPLE_ROWS)
    return canonical(
        {
            "rows": rows[::step][:SAMPLE_ROWS],
            "predictions": predictions[::step][:SAMPLE_ROWS],
        }
    )


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}


def _report(attempts: list[Attempt], rows: list[list[Any]], contract: Contract) -> dict[str, Any]:
    """Timings of this machine: beside the manifest, outside the digest."""
    hundred = (rows * (100 // len(rows) + 1))[:100]
    timings = {}
    for attempt in attempts:
        if attempt.engine is not None:
            timings[attempt.name] = {
                "one_row_us": round(
                    seconds_per_call(attempt.engine, encode(rows[:1], contract)) * 1e6, 1
                ),
                "hundred_rows_us": round(
                    seconds_per_call(attempt.engine, encode(hundred, contract)) * 1e6, 1
                ),
            }
    return {
        "machine": {
            "processor": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        },
        "timings": timings,
    }
