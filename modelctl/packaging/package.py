"""Package a fitted estimator and a sample as a verified bundle.

`plan` computes everything, `write` writes it; the same inputs give the same bytes.
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

from app.model import manifest as manifests
from app.model.background import FILE as BACKGROUND
from app.model.background import KEY as EXPLAIN
from app.model.bundle import MANIFEST, SCHEMA_VERSION, canonical, digest_of, verify
from app.model.engine import NUMBERS, SAMPLE
from app.model.sklearn_engine import installed_version
from modelctl.errors import ModelctlError
from modelctl.packaging.answerable import type_name
from modelctl.packaging.custom_code import find_boosters, find_custom_code
from modelctl.packaging.engines import Attempt, attempt_all, chosen, seconds_per_call
from modelctl.packaging.evaluation import sample_metrics
from modelctl.packaging.explanations import explained
from modelctl.packaging.inference import infer
from modelctl.packaging.invariants import ensure_not_constant
from modelctl.packaging.notes import notes_on
from modelctl.packaging.own_code import ensure_loads, packed
from modelctl.packaging.parity import encode
from modelctl.packaging.reference import prediction_reference, reference
from modelctl.packaging.refusals import only_refused, refused_examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.model.contract import Contract
    from app.model.prediction import Prediction
    from modelctl.packaging.contracts import Inferred
    from modelctl.packaging.training_output import TrainingOutput

REPORT = "report.json"
# Rows kept in the bundle for the self-test at startup, spread over the sample.
SAMPLE_ROWS = 20
RECORDED = ("scikit-learn", "numpy", "scipy", "pandas", "onnxruntime", "onnx")


@dataclass(frozen=True)
class Plan:
    """A bundle before it is written: its files, its manifest, and the engines tried."""

    manifest: dict[str, Any]
    files: dict[str, bytes]
    report: dict[str, Any]
    attempts: list[Attempt]
    inferred: list[Inferred]
    notes: list[str]

    @property
    def digest(self) -> str:
        """The digest of the bundle."""
        return digest_of(canonical(self.manifest))

    @property
    def needs_code(self) -> bool:
        """Whether the pod imports modules of no known library."""
        modules = self.manifest["environment"]["foreign_modules"]
        return self.manifest["engine"] == "sklearn" and bool(modules)


def plan(
    training_output: TrainingOutput,
    *,
    engine: str,
    tolerance: float,
    on_step: Callable[[str], None] = lambda _: None,
    score: bool = False,
) -> Plan:
    """Infer the contract and choose the engine by the parity gate. Raises ModelctlError.

    `on_step` is called with the name of each step, since a large forest takes a while. `score`: a
    model without metrics gets those of its own sample.
    """
    # One thread, as in a worker, and for reproducible timings.
    with threadpool_limits(1):
        return _plan(training_output, engine, tolerance, on_step, score=score)


def _plan(
    training_output: TrainingOutput,
    engine: str,
    tolerance: float,
    on_step: Callable[[str], None],
    *,
    score: bool,
) -> Plan:
    on_step("inferring the contract")
    output = training_output
    subject, inferred = infer(output.estimator, output.features, output.target, output.rules)
    contract, frame = subject.contract, subject.frame
    attempts, perturbed = attempt_all(subject, wanted=engine, tolerance=tolerance, on_step=on_step)
    if training_output.rules.constant == "refuse":
        last = type_name(training_output.estimator)
        ensure_not_constant(subject.expected, training_output.labels, last)
    winner = chosen(attempts)
    custom_code = find_custom_code(training_output.estimator)
    assert winner.engine is not None  # noqa: S101 - only a refused attempt has no engine
    rows = subject.rows(frame)
    predicted = winner.engine.predict(encode(rows, contract))
    # The estimator may take a row of a request that it refused in a frame with other rows: the
    # service would not start with it.
    refused = only_refused(
        refused_examples(subject.oracle, frame, contract, perturbed.refused),
        contract,
        winner.engine,
    )
    files = {SAMPLE: _sample(rows, predicted, refused)}
    if winner.model is not None:
        files["model.onnx"] = winner.model
    else:
        files["model.joblib"] = training_output.model_bytes
        files |= packed(custom_code)
    explanations = None
    if output.explain is not None:
        on_step("choosing the background of explanations, and trying them")
        explanations = explained(
            output.explain, subject.oracle.estimator, winner.engine, contract, rows
        )
        files[BACKGROUND] = explanations.data
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": training_output.name,
        "version": training_output.version,
        "description": training_output.description,
        "created": training_output.created,
        "engine": winner.name,
        "engines_tried": [attempt.as_manifest() for attempt in attempts],
        "environment": {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "libraries": _libraries(output.estimator),
            "foreign_modules": custom_code,
        },
        "files": {name: _entry(data) for name, data in files.items()},
        **contract.as_manifest(),
        "metrics": sample_metrics(output, subject.expected) if score else output.metrics,
        "training": training_output.training,
        "parity": None if winner.parity is None else winner.parity.as_manifest(),
        "reference": reference(frame, contract),
        "prediction_reference": prediction_reference(predicted.values, contract.output),
    }
    if explanations is not None:
        manifest[EXPLAIN] = explanations.entry
    manifests.verify(manifest)
    on_step("measuring the speed of each engine")
    report = _report(attempts, rows, contract)
    notes = notes_on(training_output, subject, winner.name, custom_code, perturbed)
    notes += explanations.notes if explanations is not None else []
    return Plan(manifest, files, report, attempts, inferred, notes)


def _libraries(estimator: Any) -> dict[str, str]:
    """The versions of packaging; of the boosting libraries those that the estimator uses."""
    boosters = {name: installed_version(name) or "unknown" for name in find_boosters(estimator)}
    return {name: version(name) for name in RECORDED} | boosters


def write(planned: Plan, out: Path) -> str:
    """Write the bundle to a temporary folder, verify it, then replace `out`; return the digest.

    Raises ModelctlError, or BundleRefusedError if the written files differ from the plan.
    """
    if out.exists() and not (out / MANIFEST).exists() and (out.is_file() or any(out.iterdir())):
        raise ModelctlError(
            f"{out} already exists and is not a bundle",
            expected="a new folder, or an older bundle to replace",
            fix="choose another --out, or remove it",
        )
    staging = out.with_name(f".{out.name}.writing-{os.getpid()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.mkdir()
        # Readable by the container's user, regardless of the umask here.
        staging.chmod(0o755)
        files = {**planned.files, MANIFEST: canonical(planned.manifest)}
        files[REPORT] = orjson.dumps(planned.report, option=orjson.OPT_INDENT_2)
        for name, data in files.items():
            _write_file(staging, name, data)
        digest = verify(staging, planned.digest).digest
        if planned.needs_code:
            ensure_loads(staging)
        _replace(out, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return digest


def _write_file(staging: Path, name: str, data: bytes) -> None:
    """Write a file readable by any user, and the folders around it."""
    path = staging / name
    for folder in reversed(path.relative_to(staging).parents[:-1]):
        (staging / folder).mkdir(exist_ok=True)
        (staging / folder).chmod(0o755)
    path.write_bytes(data)
    path.chmod(0o644)


def _replace(out: Path, staging: Path) -> None:
    """Put `staging` in the place of `out`; on failure the earlier bundle is back in its place."""
    earlier = out.with_name(f"{staging.name}.earlier")
    if out.exists():
        out.rename(earlier)
    try:
        staging.rename(out)
    except BaseException:
        if earlier.exists():
            earlier.rename(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _sample(rows: list[list[Any]], predicted: Prediction, refused: list[list[Any]]) -> bytes:
    """The rows of the self-test: with what the engine answers, and those that must be refused."""
    kept = slice(None, None, max(1, len(rows) // SAMPLE_ROWS))
    arrays = {name: getattr(predicted, name) for name in NUMBERS}
    return canonical(
        {
            "rows": rows[kept][:SAMPLE_ROWS],
            "predictions": predicted.values[kept][:SAMPLE_ROWS],
            "refused": refused,
        }
        | {
            name: array[kept][:SAMPLE_ROWS].tolist()
            for name, array in arrays.items()
            if array is not None
        }
    )


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}


def _report(attempts: list[Attempt], rows: list[list[Any]], contract: Contract) -> dict[str, Any]:
    """Timings on this machine: beside the manifest and not part of the digest."""
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
