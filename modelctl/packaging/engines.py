"""Choose the serving engine: ONNX if the translation passes the parity gate, else scikit-learn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import NotFittedError

from app.errors import AppError, RequestError
from app.model.onnx_engine import OnnxEngine
from app.model.sklearn_engine import SklearnEngine
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.candidates import perturbed
from modelctl.packaging.lowering import CannotLowerError, lower
from modelctl.packaging.parity import Parity, compare, compare_splits, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.contract import Contract
    from app.model.prediction import Engine
    from app.model.validation import Batch

# Duration of one timing, of which the best round counts.
TIMING_SECONDS = 0.3


@dataclass(frozen=True)
class Attempt:
    """One engine that was tried; `reason` is why it was refused, or empty."""

    name: str
    engine: Engine | None
    reason: str
    parity: Parity | None = None
    model: bytes | None = None

    def as_manifest(self) -> dict[str, Any]:
        """The entry under `engines_tried`."""
        return {"engine": self.name, "accepted": not self.reason, "reason": self.reason}


def attempt_all(
    estimator: Any,
    contract: Contract,
    rows: list[list[Any]],
    *,
    wanted: str,
    tolerance: float,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[Attempt]:
    """Try the engines in order of speed; the first accepted one serves. Raises ModelctlError.

    `wanted`: auto, onnx (refuse the model if it is not exact) or sklearn (do not try onnx).
    `on_step` is called with the name of each step.
    """
    reference = SklearnEngine(estimator, contract)
    sample = _sample(reference, contract, rows)
    attempts = []
    if wanted != "sklearn":
        on_step("translating to ONNX and comparing with scikit-learn")
        attempts.append(_try_onnx(estimator, contract, rows, sample, reference, tolerance))
        if wanted == "onnx" and attempts[0].reason:
            raise RefusedError(
                "the onnx engine did not pass the parity gate",
                expected="predictions equal to scikit-learn's",
                found=attempts[0].reason,
                fix="use --engine auto, which falls back to the sklearn engine",
            )
    attempts.append(Attempt("sklearn", reference, ""))
    return attempts


def chosen(attempts: list[Attempt]) -> Attempt:
    """Return the first accepted attempt."""
    return next(attempt for attempt in attempts if not attempt.reason)


def seconds_per_call(engine: Engine, batch: Batch) -> float:
    """Measure the best time of one prediction of these rows."""
    engine.predict(batch)
    best, end = float("inf"), time.perf_counter() + TIMING_SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        engine.predict(batch)
        best = min(best, time.perf_counter() - started)
    return best


def _sample(reference: SklearnEngine, contract: Contract, rows: list[list[Any]]) -> Batch:
    """The sample encoded as a request, after scikit-learn has predicted it.

    Raises ModelctlError: what fails here would also fail in the pod, with either engine.
    """
    try:
        batch = encode(rows, contract)
    except RequestError as error:
        raise ModelctlError(
            "a row of the sample is not a valid request",
            found=_invalid_cells(error, contract),
            fix="drop the column, or scale it before the pipeline",
        ) from error
    try:
        reference.predict(batch)
    except Exception as error:  # a pipeline runs whatever its steps do
        raise ModelctlError(
            "the model cannot predict its own sample",
            expected="a sample with the fitted columns and types",
            found=f"{type(error).__name__}: {error}"[:500],
            fix="call fit before joblib.dump"
            if isinstance(error.__context__, NotFittedError)
            else "write the sample from the frame that was passed to fit (Parquet keeps types)",
        ) from error
    return batch


def _invalid_cells(error: RequestError, contract: Contract) -> str:
    """The first invalid cell, by row and column, and the number of the others."""
    if not error.errors:
        return error.detail
    first = error.errors[0]
    place = ".".join(map(str, first.loc))
    if len(first.loc) == 3:
        place = f"row {first.loc[1]}, column {contract.names[int(first.loc[2])]!r}"
    more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
    return f"{place}: {first.msg}{more}"


def _try_onnx(
    estimator: Any,
    contract: Contract,
    rows: list[list[Any]],
    sample: Batch,
    reference: SklearnEngine,
    tolerance: float,
) -> Attempt:
    try:
        model = lower(estimator, contract).SerializeToString(deterministic=True)
        engine = OnnxEngine(model, contract)
    except (CannotLowerError, AppError) as error:
        return Attempt("onnx", None, str(error))
    except Exception as error:  # estimators have more configurations than the translation knows
        return Attempt("onnx", None, f"translation failed: {type(error).__name__}: {error}"[:300])
    parity = Parity.of(contract.output, tolerance)
    try:
        for what, batch in (
            ("sample", sample),
            ("perturbed", encode(perturbed(rows, contract), contract)),
        ):
            compare(parity, what, reference.predict(batch), engine.predict(batch))
        compare_splits(parity, estimator, contract, reference, engine, sample)
    except AppError as error:
        raise ModelctlError(
            "an engine failed on rows derived from the sample", found=str(error)
        ) from error
    return Attempt("onnx", engine, parity.refusal, parity, model)
