"""Which engine serves a model: tries the exact translation, gates it, falls back with reason."""

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
    estimator: Any,
    contract: Contract,
    rows: list[list[Any]],
    *,
    wanted: str,
    tolerance: float,
    say: Callable[[str], None] = lambda _: None,
) -> list[Attempt]:
    """Try engines in order of speed; the first accepted one serves. Raises ModelctlError.

    `wanted`: auto, onnx (refuse when it is not exact) or sklearn (do not try onnx). `say` is told
    what is being done.
    """
    reference = SklearnEngine(estimator, contract)
    sample = _sample(reference, contract, rows)
    attempts = []
    if wanted != "sklearn":
        say("translating to ONNX and comparing it with scikit-learn")
        attempts.append(_try_onnx(estimator, contract, rows, sample, reference, tolerance))
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


def _sample(reference: SklearnEngine, contract: Contract, rows: list[list[Any]]) -> Batch:
    """The sample as a request would bring it, once scikit-learn has predicted it.

    Raises ModelctlError: what fails here would fail in the pod, whichever engine serves.
    """
    try:
        batch = encode(rows, contract)
    except RequestError as error:
        raise ModelctlError(
            "a row of the sample could not be sent as a request",
            found=_wrong_cells(error, contract),
            fix="leave the column out of the model, or scale it down before the pipeline",
        ) from error
    try:
        reference.predict(batch)
    except Exception as error:  # a pipeline runs whatever its steps do
        raise ModelctlError(
            "the model cannot predict its own sample",
            expected="a sample with the columns and types that the model was fitted on",
            found=f"{type(error).__name__}: {error}"[:500],
            fix="call fit before joblib.dump"
            if isinstance(error.__context__, NotFittedError)
            else "write the sample from the frame that was passed to fit (parquet keeps types)",
        ) from error
    return batch


def _wrong_cells(error: RequestError, contract: Contract) -> str:
    """The first cell that a request could not bring, by row and column, and how many more."""
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
    except Exception as error:  # an estimator may be fitted in ways nobody has thought of
        return Attempt("onnx", None, f"translation failed: {type(error).__name__}: {error}"[:300])
    parity = Parity(tolerance, is_regression=contract.output.kind == "regressor")
    try:
        for what, batch in (
            ("sample", sample),
            ("perturbed", encode(perturbed(rows, contract), contract)),
        ):
            compare(parity, what, reference.predict(batch), engine.predict(batch))
        compare_splits(parity, estimator, contract, reference, engine, sample)
    except AppError as error:
        raise ModelctlError(
            "the model refuses rows made from its own sample", found=str(error)
        ) from error
    return Attempt("onnx", engine, parity.refusal, parity, model)
