"""A fitted estimator and a sample -> its contract, and its own answers for the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from app.errors import RequestError
from app.model.contract import Contract, Form
from app.model.converters import converter
from app.model.sklearn_engine import fitted_names
from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import align
from modelctl.packaging.answerable import ensure_takes_columns
from modelctl.packaging.boosters import (
    ensure_intact_categories,
    known_texts,
    with_categories,
)
from modelctl.packaging.contracts import Inferred, in_order, infer_features
from modelctl.packaging.engines import Subject
from modelctl.packaging.fitted_steps import Use, uses_of
from modelctl.packaging.input_rules import InputRules
from modelctl.packaging.invariants import ensure_row_by_row
from modelctl.packaging.oracle import Oracle, oracle_of
from modelctl.packaging.outputs import infer_output

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_RULES = InputRules()


def infer(
    estimator: Any,
    features: pd.DataFrame,
    target: str | Sequence[str],
    rules: InputRules = NO_RULES,
) -> tuple[Subject, list[Inferred]]:
    """Ask the fitted steps, the estimator and the sample. Raises ModelctlError."""
    ensure_takes_columns(estimator)
    ensure_intact_categories(estimator)
    frame = with_categories(estimator, _with_types(align(estimator, features), rules))
    frame = _with_none(estimator, frame)
    oracle, frame = oracle_of(estimator, frame)
    frame = _with_dates(oracle, frame)
    output = infer_output(estimator, oracle.given(frame), target)
    expected = ensure_row_by_row(oracle, frame, output)
    columns = list(map(str, frame.columns))
    fitted = fitted_names(estimator, columns) or columns
    uses = dict(zip(fitted, uses_of(estimator, fitted), strict=True))
    for name, texts in known_texts(estimator, frame).items():
        uses[name].categories += texts
    names = _read(frame, uses, oracle.form)
    names = in_order(names, rules, by_name=oracle.form == "frame")
    inferred = infer_features(oracle, frame, names, uses, rules)
    contract = Contract(
        tuple(one.feature for one in inferred),
        output,
        form=oracle.form,
        ignored=tuple(name for name in fitted if name not in names),
        extra=rules.extra,
    )
    _ensure_examples(contract)
    return Subject(oracle, contract, frame, expected), inferred


def _read(frame: pd.DataFrame, uses: dict[str, Use], form: Form) -> list[str]:
    """The columns that requests need: of a frame those that a step reads."""
    names = list(map(str, frame.columns))
    return [name for name in names if uses[name].is_read] or names if form == "frame" else names


def _with_types(frame: pd.DataFrame, rules: InputRules) -> pd.DataFrame:
    """The columns in the types that model.yaml gives them. Raises ModelctlError."""
    columns: dict[str, Any] = {}
    for name, rule in rules.inputs.items():
        if name not in frame.columns or rule.dtype is None:
            continue
        try:
            columns[name] = _typed(frame[name], rule.dtype)
        except (TypeError, ValueError) as error:
            raise ModelctlError(
                f"column {name!r} of the sample is not of the type in model.yaml",
                expected=rule.dtype,
                found=f"{frame[name].dtype}: {error}"[:300],
                fix="correct `dtype` under `inputs:`, or the sample",
            ) from error
    return frame.assign(**columns)


def _typed(column: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    if dtype == "datetime" and not pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, format="ISO8601")
    if dtype == "float":
        return column.astype("float64")
    if dtype == "integer" and not column.isna().any():
        return column.astype("int64")
    if dtype == "string" and pd.api.types.is_numeric_dtype(column):
        raise ValueError("numbers; a CSV file keeps the text of a column that is named a string")
    return column


def _with_none(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Missing texts as None where encoders were fitted on it; files have NaN instead."""
    uses = zip(frame.columns, uses_of(estimator, list(map(str, frame.columns))), strict=True)
    columns: dict[str, Any] = {}
    for name, use in uses:
        if use.none or any(value is None for value in use.categories):
            column = frame[name].astype(object)
            columns[str(name)] = column.where(column.notna(), None)
    return frame.assign(**columns)


def _with_dates(oracle: Oracle, frame: pd.DataFrame) -> pd.DataFrame:
    """CSV has no times: texts that all are one become times, if the estimator wants them."""
    if oracle.form == "texts" or oracle.accepts(frame.head(2)):
        return frame
    columns: dict[str, Any] = {}
    for name, column in frame.items():
        if pd.api.types.is_string_dtype(column) and len(column.dropna()):
            try:
                columns[str(name)] = pd.to_datetime(column, format="ISO8601")
            except (TypeError, ValueError):
                continue
    dated = frame.assign(**columns)
    return dated if columns and oracle.accepts(dated.head(2)) else frame


def _ensure_examples(contract: Contract) -> None:
    """Raise ModelctlError for an example in model.yaml that the contract refuses."""
    for feature in contract.inputs:
        if feature.example is None:
            continue
        try:
            converter(feature)(feature.example)
        except (ValueError, RequestError) as error:
            raise ModelctlError(
                f"the example of {feature.name!r} in model.yaml is not a valid value",
                expected=str(error),
                found=repr(feature.example)[:100],
            ) from error
