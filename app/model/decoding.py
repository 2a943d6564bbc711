"""Validated rows -> what the estimator was fitted on: a data frame, an array, or texts."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract
    from app.model.feature import Feature
    from app.model.validation import Batch

# `Feature.storage` of a column of datetime.date, of pandas categories, and of objects of which a
# missing one is None instead of NaN. That of numbers is their precision, such as float32.
DATE, CATEGORY, OBJECT = "date", "category", "object"
# pandas' own types, which have a missing value of their own.
NULLABLE = frozenset(
    ("boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
)


def decode(contract: Contract, batch: Batch) -> Any:
    """The rows as the estimator takes them, by the contract's `form`."""
    if contract.form == "array":
        return _array(contract, batch)
    import pandas as pd

    if contract.form == "texts":
        return pd.Series(batch.text[contract.names[0]], dtype=object)
    columns = {
        feature.name: column(feature, batch.matrix[:, index], batch.text.get(feature.name))
        for index, feature in enumerate(contract.inputs)
    }
    return pd.DataFrame(columns, columns=list(contract.names))


def column(feature: Feature, numbers: NDArray[np.float64], texts: list[str | None] | None) -> Any:
    """One feature's values in the type that the estimator was fitted on."""
    import pandas as pd

    if feature.dtype == "string":
        if feature.storage == CATEGORY:
            return _categorical(feature, _texts(feature, numbers, texts))
        kind = object if feature.storage == OBJECT else "str"
        return pd.Series(_texts(feature, numbers, texts), dtype=kind)
    missing = np.isnan(numbers)
    if feature.storage == CATEGORY:
        exact: type = {"boolean": bool, "integer": int}.get(feature.dtype, float)
        values = [None if v != v else exact(v) for v in numbers.tolist()]
        return _categorical(feature, values)
    if feature.dtype == "datetime":
        return _times(feature, numbers, missing)
    if feature.storage in NULLABLE:
        values = [None if v != v else int(v) for v in numbers.tolist()]
        return pd.array(values, dtype=feature.storage)
    if feature.dtype == "boolean":
        if not missing.any():
            return numbers.astype(bool)
        # NaN, not None: SimpleImputer with its default missing_values ignores None.
        pairs = zip(numbers.tolist(), missing.tolist(), strict=True)
        flags = [math.nan if absent else bool(flag) for flag, absent in pairs]
        return pd.Series(flags, dtype=object)
    if feature.dtype == "integer":
        # pandas has no missing integer: such a column is one of floats.
        is_whole = not missing.any()
        return numbers.astype(np.int64).astype(feature.storage or "int64") if is_whole else numbers
    return numbers.astype(feature.storage) if feature.storage else numbers


def _array(contract: Contract, batch: Batch) -> NDArray[Any]:
    """A matrix of numbers; one of objects if some of them are texts."""
    if all(feature.dtype in ("float", "integer") for feature in contract.inputs):
        (storage, *others) = {feature.storage for feature in contract.inputs}
        is_plain = not storage or bool(others) or bool(np.isnan(batch.matrix).any())
        return batch.matrix if is_plain else batch.matrix.astype(storage)
    rows = np.empty((len(batch), len(contract.inputs)), dtype=object)
    for index, feature in enumerate(contract.inputs):
        numbers = batch.matrix[:, index]
        if feature.dtype == "string":
            texts = _texts(feature, numbers, batch.text.get(feature.name))
            absent = None if feature.storage == OBJECT else math.nan
            rows[:, index] = [absent if text is None else text for text in texts]
        else:
            rows[:, index] = list(column(feature, numbers, None))
    return rows


def _texts(
    feature: Feature, numbers: NDArray[np.float64], texts: list[str | None] | None
) -> list[str | None]:
    if texts is not None:
        return texts
    categories = feature.categories or ()
    return [None if math.isnan(code) else categories[int(code)] for code in numbers.tolist()]


def _categorical(feature: Feature, values: Sequence[Any]) -> Any:
    """A column of pandas categories: the fitted ones in their order, then any other value."""
    import pandas as pd

    known = dict.fromkeys(feature.categories or ())
    others = dict.fromkeys(value for value in values if value is not None and value not in known)
    return pd.Categorical(values, categories=[*known, *others])


def _times(feature: Feature, numbers: NDArray[np.float64], missing: NDArray[np.bool_]) -> Any:
    """Microseconds since 1970 as the fitted datetime type; NaT where missing."""
    import pandas as pd

    moments = np.where(missing, np.iinfo(np.int64).min, np.nan_to_num(numbers)).astype(np.int64)
    times = pd.Series(moments.view("datetime64[us]"))
    if feature.storage == DATE:
        return pd.Series([None if pd.isna(t) else date(t.year, t.month, t.day) for t in times])
    if ", " in feature.storage:
        times = times.dt.tz_localize("UTC")
    return times.astype(feature.storage or "datetime64[us]")
