"""Columns -> the numbers that encode them, all rows at once, where they are certainly valid.

Only ever says yes: what is not certain here is decided row by row by the service's Validator, which
also says why. Distinct values of texts, booleans and closed lists pass its converters once each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.model.converters import MAX_INTEGER, MAX_TIME, MIN_TIME, converter, number_bounds
from app.protocols.csv_rows import MISSING_NUMBERS, NUMBER, cell_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from app.model.feature import Feature

NUMERIC = ("float", "integer")


@dataclass(frozen=True)
class Encoded:
    """One feature of some rows: its numbers, which of them are certain, texts of an open column."""

    numbers: NDArray[np.float64]
    certain: NDArray[np.bool_]
    texts: list[str | None] | None = None


def json_value(value: Any) -> Any:
    """A value of a Parquet file as a client would send it in JSON, which has no NaN."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        value = float(value)
    return None if value != value else value


class ColumnEncoder:
    """Encodes the columns of one feature, as Arrow arrays or as the cells of CSV."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self._convert = converter(feature)
        # Reads a cell of CSV as JSON would have its value.
        self.cell = cell_reader(feature)
        self._allows_missing = feature.missing == "allow"
        self._is_number = feature.dtype in NUMERIC and feature.closed is None
        self._low, self._high = number_bounds(feature)

    def arrow(self, column: Any) -> Encoded:
        """The values of an Arrow array."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        if self._is_number and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            return self._numbers(column)
        if self._feature.dtype == "datetime" and pa.types.is_timestamp(kind):
            return self._times(column)
        return self._distinct(column, json_value)

    def cells(self, texts: list[str]) -> Encoded:
        """The cells of a column of CSV."""
        column = pa.array(texts, pa.string())
        if not self._is_number:
            return self._distinct(column, self.cell)
        missing = pc.is_in(column, value_set=_MISSING)
        present = pc.if_else(missing, None, column)
        try:
            numbers = pc.cast(present, pa.float64())
        except pa.ArrowInvalid:
            # Arrow's cast is all or nothing.
            readable = pc.match_substring_regex(present, f"^(?:{NUMBER.pattern})$")
            numbers = pc.cast(pc.if_else(readable, present, None), pa.float64())
        found = numbers.to_numpy(zero_copy_only=False)
        certain = self._are_valid(found)
        if self._feature.dtype == "integer":
            # A larger integer may have been rounded to the largest.
            certain &= np.abs(found) < MAX_INTEGER
        if self._allows_missing:
            certain |= missing.to_numpy(zero_copy_only=False)
        return Encoded(found, certain)

    def _numbers(self, column: Any) -> Encoded:
        if pa.types.is_integer(column.type):
            missing = column.is_null().to_numpy(zero_copy_only=False)
            exact = column.fill_null(0).to_numpy(zero_copy_only=False)
            found = exact.astype(np.float64)
            certain = self._are_valid(found)
            if self._feature.dtype == "integer":
                certain &= (exact < MAX_INTEGER) & (exact > -MAX_INTEGER)
            if missing.any():
                found[missing] = np.nan
                certain[missing] = self._allows_missing
            return Encoded(found, certain)
        found = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
        certain = self._are_valid(found)
        if self._allows_missing:
            certain |= np.isnan(found)
        return Encoded(found, certain)

    def _are_valid(self, found: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each number is in the bounds and, of an integer, whole; NaN is not."""
        valid = (found >= self._low) & (found <= self._high)
        if self._feature.dtype == "integer":
            valid &= np.trunc(found) == found
        return valid

    def _times(self, column: Any) -> Encoded:
        """Microseconds since 1970."""
        missing = column.is_null().to_numpy(zero_copy_only=False)
        ticks = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        factor = {"s": 1_000_000, "ms": 1000, "us": 1}[column.type.unit]
        certain = (ticks >= MIN_TIME // factor + 1) & (ticks <= MAX_TIME // factor)
        found = np.where(certain, ticks, 0).astype(np.float64) * factor
        found[missing] = np.nan
        certain[missing] = self._allows_missing
        return Encoded(found, certain)

    def _distinct(self, column: Any, read: Callable[[Any], Any]) -> Encoded:
        """Each distinct value by the converter of the service."""
        encoded = column.dictionary_encode(null_encoding="encode")
        values = encoded.dictionary.to_pylist()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        converted, certain = self._converted(map(read, values))
        if not self._feature.is_open:
            return Encoded(np.array(converted, dtype=np.float64)[codes], np.array(certain)[codes])
        numbers = np.array([self._feature.code(text) for text in converted], dtype=np.float64)
        texts = [converted[code] for code in codes.tolist()]
        return Encoded(numbers[codes], np.array(certain)[codes], texts)

    def _converted(self, values: Iterable[Any]) -> tuple[list[Any], list[bool]]:
        absent = None if self._feature.is_open else np.nan
        converted, certain = [], []
        for value in values:
            try:
                converted.append(self._convert(value))
                certain.append(True)
            except ValueError:
                converted.append(absent)
                certain.append(False)
        return converted, certain


_MISSING = pa.array(sorted(MISSING_NUMBERS), pa.string())
