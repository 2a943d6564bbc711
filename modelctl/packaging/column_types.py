"""The type of a sample's column in the contract, and its values as a client sends them."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modelctl.errors import ModelctlError
from modelctl.packaging.lowering.columns import is_missing

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.feature import Dtype

AS_TEXTS = "fit on them as texts: `.astype(str)` on that column before fit, and in the sample"


def dtype_of(name: str, column: pd.Series[Any]) -> Dtype:
    """Raises ModelctlError for a column without a JSON equivalent."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.dtype.categories.to_numpy())
    present = column.dropna()
    types = set(map(type, present))
    if pd.api.types.is_bool_dtype(column) or (types and types == {bool}):
        return "boolean"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    if pd.api.types.is_float_dtype(column):
        if len(present) and not np.isfinite(present.to_numpy(dtype=np.float64)).all():
            raise ModelctlError(
                f"column {name!r} of the sample contains infinite numbers",
                expected="finite numbers or missing values",
                fix="replace them before the pipeline; JSON has no infinity",
            )
        return "float"
    if pd.api.types.is_datetime64_any_dtype(column) or (types and types == {date}):
        return "datetime"
    if all(isinstance(value, str) for value in present):
        return "string"
    raise _no_equivalent(name, column, sorted(kind.__name__ for kind in types))


def _no_equivalent(name: str, column: pd.Series[Any], types: list[str]) -> ModelctlError:
    if types == ["int"] and column.dropna().abs().max() > np.iinfo(np.int64).max:
        return ModelctlError(
            f"column {name!r} of the sample has no JSON equivalent",
            expected="whole numbers that JSON and float64 have exactly: from -2^53 to 2^53",
            found="whole numbers beyond 64 bits",
            fix=AS_TEXTS,
        )
    is_mixed = column.dtype == object and len(types) > 1
    return ModelctlError(
        f"column {name!r} of the sample has a type without a JSON equivalent",
        expected="numbers, booleans, strings or times, of one type per column",
        found=f"{column.dtype} with mixed types {', '.join(types)}"
        if is_mixed
        else str(column.dtype),
        fix="convert the column to one type before fit"
        if is_mixed
        else "convert durations and objects to numbers before the pipeline, or drop the column",
    )


def is_absent(value: Any) -> bool:
    """Whether a value means "no value", in any of the ways that pandas and Python have."""
    return is_missing(value) or value is pd.NA


def json_rows(frame: pd.DataFrame, contract: Contract) -> list[list[Any]]:
    """The rows of a sample as a client sends them: None for a missing value."""
    columns = []
    for feature in contract.inputs:
        column = frame[feature.name]
        values = column.astype(object).tolist()
        pairs = zip(values, column.isna().tolist(), strict=True)
        columns.append([None if missing else plain(feature.dtype, v) for v, missing in pairs])
    return [list(row) for row in zip(*columns, strict=True)]


def plain(dtype: Dtype, value: Any) -> Any:
    """One value as JSON has it."""
    if dtype == "datetime":
        return value.isoformat() if isinstance(value, date | datetime) else str(value)
    if dtype == "boolean":
        return bool(value)
    if dtype == "string":
        return str(value)
    number = float(value)
    # A fraction stays one, so that the contract refuses it where it asks for integers.
    return int(value) if dtype == "integer" and number.is_integer() else number
