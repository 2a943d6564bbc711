"""Which engine serves a model: tries the exact translation, gates it, falls back with reason."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import AppError
from app.onnx_engine import OnnxEngine
from app.sklearn_engine import SklearnEngine
from modelctl.candidates import perturbed
from modelctl.errors import ModelctlError, RefusedError
from modelctl.lowering import CannotLowerError, lower
from modelctl.parity import Parity, compare, compare_splits, encode

if TYPE_CHECKING:
    from app.contract import Contract
    from app.engine import Engine
    from app.validation import Batch

# One timing lasts about this long; the best of its rounds is what the machine can do.
TIMING_SECONDS = 0.3


@dataclass(frozen=True)
class Attempt:
    """One engine that was tried: `reason` says why it was refused, and is empty if it was not."""

    name: str
    engine: Engine | None
    reason: str
    parity: Parity | None = None
    model: bytes | None = None

    def as_manifest(self) -> dict[str, Any]:
        """The entry under `engines_tried`."""
        return {"engine": self.name, "accepted": not self.reason, "reason": self.reason}


def attempt_all(
    estimator: Any, contract: Contract, rows: list[list[Any]], *, wanted: str, tolerance: float
) -> list[Attempt]:
    """Try engines in order of speed; the first accepted one serves. Raises ModelctlError.

    `wanted`: auto, onnx (refuse when it is not exact) or sklearn (do not try onnx).
    """
    reference = SklearnEngine(estimator, contract)
    attempts = []
    if wanted != "sklearn":
        attempts.append(_try_onnx(estimator, contract, rows, reference, tolerance))
        if wanted == "onnx" and attempts[0].reason:
            raise RefusedError(
                "the onnx engine was asked for, but it is not exact for this model",
                found=attempts[0].reason,
                fix="package with --engine auto; the sklearn engine serves any estimator",
            )
    attempts.append(Attempt("sklearn", reference, ""))
    return attempts


def chosen(attempts: list[Attempt]) -> Attempt:
    """The first accepted attempt."""
    return next(attempt for attempt in attempts if not attempt.reason)


def seconds_per_call(engine: Engine, batch: Batch) -> float:
    """The best time of one predict over these rows."""
    engine.predict(batch)
    best, end = float("inf"), time.perf_counter() + TIMING_SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        engine.predict(batch)
        best = min(best, time.perf_counter() - started)
    return best


def _try_onnx(
    estimator: Any,
    contract: Contract,
    rows: list[list[Any]],
    reference: SklearnEngine,
    tolerance: float,
) -> Attempt:
    try:
        model = lower(estimator, contract).SerializeToString(deterministic=True)
        engine = OnnxEngine(model, contract)
    except (CannotLowerError, AppError) as error:
        return Attempt("onnx", None, str(error))
    parity = Parity(tolerance, is_regression=contract.output.kind == "regressor")
    sample = encode(rows, contract)
    try:
        for what, batch in (
            ("sample", sample),
            ("perturbed", encode(perturbed(rows, contract), contract)),
        ):
            compare(parity, what, reference.predict(batch), engine.predict(batch))
        compare_splits(parity, estimator, contract, reference, sample)
    except AppError as error:
        raise ModelctlError(
            "the model refuses rows made from its own sample", found=str(error)
        ) from error
    return Attempt("onnx", engine, parity.refusal, parity, model)
