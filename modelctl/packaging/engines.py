"""Choose the serving engine: ONNX if the translation passes the parity gate, else scikit-learn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import AppError, RequestError
from app.model.converters import TOO_LARGE
from app.model.decoding import decode
from app.model.onnx_engine import OnnxEngine
from app.model.prediction import Prediction
from app.model.sklearn_engine import SklearnEngine
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.candidates import perturbed
from modelctl.packaging.column_types import AS_TEXTS, json_rows
from modelctl.packaging.lowering import CannotLowerError, lower
from modelctl.packaging.oracle import RefusedRowsError
from modelctl.packaging.parity import (
    NotComparableError,
    Parity,
    compare,
    compare_splits,
    encode,
    in_parts,
)
from modelctl.packaging.refusals import count_answered

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from app.model.contract import Contract
    from app.model.prediction import Engine
    from app.model.validation import Batch
    from modelctl.packaging.candidates import Perturbed
    from modelctl.packaging.oracle import Oracle

# Duration of one timing, of which the best round counts.
TIMING_SECONDS = 0.02
# Perturbed rows with which the sklearn engine's decoding of requests is compared.
DECODED_ROWS = 500
MAX_SHOWN = 4


@dataclass(frozen=True)
class Subject:
    """What engines are compared on: the estimator, its contract, and its answers."""

    oracle: Oracle
    contract: Contract
    frame: pd.DataFrame
    expected: Prediction

    def parity(self, tolerance: float) -> Parity:
        """An empty comparison."""
        return Parity.of(self.contract.output, tolerance)

    def rows(self, frame: pd.DataFrame) -> list[list[Any]]:
        """Rows as a client sends them."""
        return json_rows(frame, self.contract)


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
    subject: Subject,
    *,
    wanted: str,
    tolerance: float,
    on_step: Callable[[str], None] = lambda _: None,
) -> tuple[list[Attempt], Perturbed]:
    """Try the engines in order of speed; the first accepted one serves. Raises ModelctlError.

    `wanted`: auto, onnx (refuse the model if it is not exact) or sklearn (do not try onnx).
    `on_step` is called with the name of each step.
    """
    sklearn = SklearnEngine(subject.oracle.estimator, subject.contract)
    on_step("asking the model about its sample and perturbed rows")
    sample = _sample(subject)
    rows = perturbed(subject.oracle, subject.frame, subject.contract)
    _ensure_decoded(subject, sklearn, sample, rows)
    attempts = []
    if wanted != "sklearn":
        on_step("translating to ONNX and comparing with scikit-learn")
        attempts.append(_try_onnx(subject, sample, rows, tolerance))
        if wanted == "onnx" and attempts[0].reason:
            raise RefusedError(
                "the onnx engine did not pass the parity gate",
                expected="predictions equal to scikit-learn's",
                found=attempts[0].reason,
                fix="use --engine auto, which falls back to the sklearn engine",
            )
    attempts.append(Attempt("sklearn", sklearn, ""))
    return attempts, rows


def chosen(attempts: list[Attempt]) -> Attempt:
    """Return the first accepted attempt."""
    return next(attempt for attempt in attempts if not attempt.reason)


def seconds_per_call(engine: Engine, batch: Batch) -> float:
    """Measure the best time of one prediction of these rows; the first counts for a slow engine."""
    now = time.perf_counter()
    best, end = float("inf"), now + TIMING_SECONDS
    while now < end:
        started = now
        engine.predict(batch)
        now = time.perf_counter()
        best = min(best, now - started)
    return best


def head(prediction: Prediction, rows: int) -> Prediction:
    """The answers for the first rows."""
    probabilities, scores = (
        None if part is None else part[:rows]
        for part in (prediction.probabilities, prediction.scores)
    )
    return Prediction(prediction.values[:rows], probabilities, scores)


def _sample(subject: Subject) -> Batch:
    """The sample encoded as a request. Raises ModelctlError."""
    try:
        return encode(subject.rows(subject.frame), subject.contract)
    except RequestError as error:
        fix = "correct `inputs:` in model.yaml, drop the column, or scale it before the pipeline"
        is_large = any(each.msg == TOO_LARGE for each in error.errors)
        raise ModelctlError(
            "a row of the sample is not a valid request",
            expected="whole numbers that JSON and float64 have exactly" if is_large else "",
            found=_invalid_cells(error, subject.contract),
            fix=AS_TEXTS if is_large else fix,
        ) from error


def _ensure_decoded(
    subject: Subject, engine: SklearnEngine, sample: Batch, rows: Perturbed
) -> None:
    """Raise ModelctlError unless requests become what the estimator was fitted on.

    The same estimator is asked with the sample as it was read, and as a request decodes to.
    """
    some = rows.frame.head(DECODED_ROWS)
    parity = subject.parity(tolerance=1e-9)
    try:
        compare(parity, "sample", subject.expected, engine.predict(sample))
        if len(some):
            batch = encode(subject.rows(some), subject.contract)
            compare(parity, "perturbed", head(rows.expected, len(some)), engine.predict(batch))
    except Exception as error:  # a pipeline runs whatever its steps do
        found = f"{type(error).__name__}: {error}"[:500]
        raise _not_reproduced(found, subject, sample) from error
    if parity.refusal:
        raise _not_reproduced(parity.refusal, subject, sample)


def _not_reproduced(found: str, subject: Subject, sample: Batch) -> ModelctlError:
    others = _other_types(subject, sample)
    if others:
        fix = "a step sees the difference: convert these columns in the pipeline's first step"
    else:
        fix = "take out the step that reads more than the values of a row, such as the index"
    return ModelctlError(
        "predictions of the sample change when its rows are sent as JSON",
        expected="the same prediction from the values alone",
        found="; ".join([found, *others[:MAX_SHOWN]]),
        fix=fix,
    )


def _other_types(subject: Subject, sample: Batch) -> list[str]:
    """The columns that have another type in a request than in the sample, in words."""
    if subject.oracle.form != "frame":
        return []
    decoded = decode(subject.contract, sample).dtypes
    given = subject.frame.dtypes
    return [
        f"{name!r} is {given[name]} in the sample and {decoded[name]} in a request"
        for name in subject.contract.names
        if given[name] != decoded[name]
    ]


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


def _try_onnx(subject: Subject, sample: Batch, rows: Perturbed, tolerance: float) -> Attempt:
    oracle, contract = subject.oracle, subject.contract
    try:
        model = lower(oracle.estimator, contract).SerializeToString(deterministic=True)
        engine = OnnxEngine(model, contract)
    except (CannotLowerError, AppError) as error:
        return Attempt("onnx", None, str(error))
    except Exception as error:  # estimators have more configurations than the translation knows
        return Attempt("onnx", None, f"translation failed: {type(error).__name__}: {error}"[:300])
    parity = subject.parity(tolerance)
    parity.left_out = rows.left_out
    try:
        compare(parity, "sample", subject.expected, engine.predict(sample))
        if len(rows.frame):
            batch = encode(subject.rows(rows.frame), contract)
            compare(parity, "perturbed", rows.expected, in_parts(engine, batch))
        compare_splits(parity, oracle, contract, engine, subject.frame)
    except AppError as error:
        reason = f"refuses rows that scikit-learn answers: {error}"
        return Attempt("onnx", None, reason[:300])
    except (RefusedRowsError, NotComparableError) as error:
        return Attempt("onnx", None, f"cannot be compared: {error}"[:300])
    refused = subject.rows(rows.refused)
    parity.refused = len(refused)
    parity.answered = count_answered(refused, contract, engine)
    return Attempt("onnx", engine, parity.refusal, parity, model)
