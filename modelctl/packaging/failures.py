"""Say why an estimator cannot answer its own sample, and what to do about each cause.

Asks the estimator again where that tells causes apart: a step that drops rows, a random answer.
"""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import listed
from modelctl.packaging.load_errors import OURS
from modelctl.packaging.lowering.walk import unwrapped
from modelctl.packaging.own_code import is_installed

if TYPE_CHECKING:
    from app.model.prediction import ModelOutputError
    from modelctl.packaging.oracle import Oracle, RefusedRowsError

FRAME = "write the sample from the frame that was passed to fit"


def cannot_predict(error: RefusedRowsError, frame: pd.DataFrame) -> ModelctlError:
    """The estimator raised an error for the sample."""
    return ModelctlError(
        "the model cannot predict its own sample",
        expected="a sample with the fitted columns and types",
        found=error.cause,
        fix=_remedy(error, frame),
    )


def not_row_by_row(found: str, oracle: Oracle, frame: pd.DataFrame) -> ModelctlError:
    """The estimator answered another number of rows than it was asked about."""
    step = dropping_step(oracle, frame)
    fix = "write the sample as the model was fitted: for texts, one column of strings"
    if step:
        fix = (
            "a service answers every row that it is asked: drop rows before fit instead, and "
            "impute or clip in the pipeline"
        )
    return ModelctlError(
        f"{step} drops or adds rows" if step else "the model does not answer row by row",
        expected=f"{len(frame)} answers for {len(frame)} rows",
        found=found,
        fix=fix,
    )


def breaks_contract(error: ModelOutputError) -> ModelctlError:
    """The estimator answered what its fitted attributes do not have."""
    return ModelctlError(
        "the model answers something else than its fitted attributes say",
        expected="one of the model's classes for each target, a number for each class",
        found=str(error),
        fix="look at `classes_`, `predict` and `predict_proba` of its last step",
    )


def ensure_rows_kept(oracle: Oracle, frame: pd.DataFrame) -> None:
    """Raise ModelctlError if these rows get an answer of another number of rows.

    An error of the estimator is none: rows that it refuses are told apart later.
    """
    answered = oracle.row_count(frame)
    if answered is not None and answered != len(frame):
        raise not_row_by_row(f"{answered} answers", oracle, frame)


def dropping_step(oracle: Oracle, frame: pd.DataFrame) -> str:
    """The first step of a pipeline that gives another number of rows than it gets; empty if none.

    The last one is left out: a vectorizer that reads a frame answers for its columns' names.
    """
    rows: Any = oracle.given(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, step in getattr(unwrapped(oracle.estimator), "steps", [])[:-1]:
            if isinstance(step, str | None):
                continue
            try:
                after = step.transform(rows)
                count = np.shape(after)[0]
            except Exception:  # the question was about rows that are answered
                return ""
            if count != np.shape(rows)[0] and not _reads_names(step):
                return f"step '{name}' ({type(step).__name__})"
            rows = after
    return ""


def _reads_names(step: Any) -> bool:
    """Whether it takes texts: of a frame it reads the names of the columns."""
    return callable(getattr(step, "build_analyzer", None)) or hasattr(step, "input_type")


def _remedy(error: RefusedRowsError, frame: pd.DataFrame) -> str:
    if "NotFittedError" in error.cause:
        return "call fit before joblib.dump"
    own = _own_place(error.original)
    if own:
        return f"correct {own}, which raised it, or {FRAME}"
    texts = [name for name, column in frame.items() if pd.api.types.is_string_dtype(column)]
    if "could not convert string to float" in error.cause and texts:
        return (
            f"the model takes numbers, and {listed(texts)} of the sample holds texts: pass the "
            f"target with --target, correct the values, or {FRAME}"
        )
    if "categorical_feature do not match" in error.cause:
        return (
            f"{FRAME}, with each `category` column as LightGBM was fitted on it: not ordered (it "
            "takes ordered ones for numbers: fit it on their codes)"
        )
    if "unknown categor" in error.cause:
        return (
            f"{FRAME}; a CSV file loses leading zeros: give such a column `dtype: string` under "
            "`inputs:` in model.yaml, or write Parquet"
        )
    return (
        f"{FRAME}; a CSV file has no types: for codes, dates and categories give `dtype` under "
        "`inputs:` in model.yaml, or write Parquet"
    )


def _own_place(error: BaseException) -> str:
    """The function of the user's own that an error came through; empty if there is none."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", ""))
        file = Path(frame.f_code.co_filename)
        if module.partition(".")[0] not in OURS and file.is_file() and not is_installed(file):
            return f"{frame.f_code.co_name} in {module}"
    return ""
