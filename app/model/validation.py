"""Validate rows against a contract and encode them, or list every invalid field.

Pure: no HTTP, no model. Visits only the levels that a contract has, so that a deeply nested
document costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract, Feature

# scikit-learn's trees cast to float32 and reject what overflows; so does every contract.
MAX_FLOAT = float(np.finfo(np.float32).max)
# Integers beyond this are not exact in float64.
MAX_INTEGER = 2**53
# Bounds the response to a body full of errors.
MAX_ERRORS = 100
MISSING = float("nan")
# The metrics' reason for too many rows; the problem's type is `contract`.
TOO_MANY_ROWS = "too-many-rows"


@dataclass(frozen=True)
class Batch:
    """Validated rows: encoded as float64 (see `contract`), with free-text columns apart."""

    matrix: NDArray[np.float64]
    text: dict[str, list[str | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)


class UnusableError(ValueError):
    """A value of the right type that the model cannot use; `bin` is its bin in drift metrics."""

    def __init__(self, text: str, bin_: str) -> None:
        super().__init__(text)
        self.bin = bin_


class Validator:
    """Turn rows into a Batch by one contract. Built once, used by every request."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._converters = [_converter(feature) for feature in contract.inputs]
        self._by_feature = dict(zip(contract.names, self._converters, strict=True))
        self._positions: tuple[str | int, ...] = tuple(range(len(contract.inputs)))
        self._text = [index for index, entry in enumerate(contract.inputs) if entry.is_text]

    def batch(
        self,
        rows: list[Any],
        locs: list[tuple[str | int, ...]],
        limit: int,
        noted: Sequence[FieldError] = (),
    ) -> Batch:
        """Validate and encode 1 to `limit` rows, whose locations are `locs`.

        Raises RequestError 422 with every invalid field, after the errors in `noted`.
        """
        if not 1 <= len(rows) <= limit:
            raise row_count_error(len(rows), limit, locs[0][:1] if locs else ("instances",), noted)
        errors = list(noted)
        encoded = [self._row(row, loc, errors) for row, loc in zip(rows, locs, strict=True)]
        if errors:
            raise contract_error(errors)
        if not self._text:
            return Batch(np.array(encoded, dtype=np.float64))
        return self._with_text(encoded)

    def column(
        self,
        name: str,
        values: list[Any],
        loc: Callable[[int], tuple[str | int, ...]],
        errors: list[FieldError],
    ) -> list[Any]:
        """Validate and encode one feature's values; append every invalid one to `errors`."""
        convert = self._by_feature[name]
        encoded = []
        for row, value in enumerate(values):
            try:
                encoded.append(convert(value))
            except ValueError as error:
                errors.append(_field_error(loc(row), name, error))
        return encoded

    def assemble(self, columns: list[list[Any]]) -> Batch:
        """A Batch of encoded columns, one for each feature in the contract's order."""
        encoded = [list(row) for row in zip(*columns, strict=True)]
        if not self._text:
            return Batch(np.array(encoded, dtype=np.float64))
        return self._with_text(encoded)

    def _row(self, row: Any, loc: tuple[str | int, ...], errors: list[FieldError]) -> list[Any]:
        values: list[Any]
        steps: tuple[str | int, ...]
        if isinstance(row, dict):
            values, steps = self._by_name(row, loc, errors)
            if not steps:
                return []
        elif isinstance(row, list):
            values, steps = row, self._positions
            if len(row) != len(self._converters):
                text = f"expected {len(self._converters)} values, found {len(row)}"
                errors.append(FieldError(loc, text))
                return []
        else:
            text = f"expected a list or an object, found {json_type(row)}"
            errors.append(FieldError(loc, text))
            return []
        encoded = []
        for convert, value, step in zip(self._converters, values, steps, strict=True):
            try:
                encoded.append(convert(value))
            except ValueError as error:
                name = self._contract.names[len(encoded)]
                errors.append(_field_error((*loc, step), name, error))
                encoded.append(MISSING)
        return encoded

    def _by_name(
        self, row: dict[str, Any], loc: tuple[str | int, ...], errors: list[FieldError]
    ) -> tuple[list[Any], tuple[str | int, ...]]:
        names = self._contract.names
        if len(row) == len(names) and all(map(row.__contains__, names)):
            return [row[name] for name in names], names
        errors.extend(FieldError((*loc, name), "missing") for name in names if name not in row)
        unknown = [name for name in row if name not in names]
        errors.extend(FieldError((*loc, name[:100]), "unknown feature") for name in unknown)
        present = tuple(name for name in names if name in row)
        for name in present:
            try:
                self._converters[names.index(name)](row[name])
            except ValueError as error:
                errors.append(_field_error((*loc, name), name, error))
        return [], ()

    def _with_text(self, encoded: list[list[Any]]) -> Batch:
        text = {}
        for index in self._text:
            text[self._contract.inputs[index].name] = [row[index] for row in encoded]
            for row in encoded:
                row[index] = MISSING
        return Batch(np.array(encoded, dtype=np.float64), text)


def row_count_text(count: int, limit: int) -> str:
    """What is wrong with a number of rows."""
    fix = ": send fewer at a time, or set MAX_BATCH_ROWS" if count > limit else ""
    return f"expected 1 to {limit} rows, found {count}{fix}"


def row_count_error(
    count: int, limit: int, loc: tuple[str | int, ...], noted: Sequence[FieldError] = ()
) -> RequestError:
    """422 for no rows or too many, after the errors in `noted`."""
    error = contract_error([*noted, FieldError(loc, row_count_text(count, limit))])
    error.reason = TOO_MANY_ROWS if count else ""
    return error


def contract_error(errors: list[FieldError]) -> RequestError:
    """422 with every invalid field, at most MAX_ERRORS of them."""
    first = errors[0]
    where = ".".join(map(str, first.loc)) or "body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return RequestError(
        422,
        "contract",
        "The request does not match the model's contract",
        f"{where}: {first.msg}{more}",
        errors[:MAX_ERRORS],
    )


def _field_error(loc: tuple[str | int, ...], feature: str, error: ValueError) -> FieldError:
    unusable = (feature, error.bin) if isinstance(error, UnusableError) else None
    return FieldError(loc, str(error), unusable)


def json_type(value: Any) -> str:
    """The JSON type of a value, for error texts: values themselves are never repeated."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def _converter(feature: Feature) -> Callable[[Any], Any]:
    """The function that encodes one JSON value of this feature."""
    convert: Callable[[Any], Any]
    if feature.is_text:
        convert = _text
    elif feature.dtype == "string":
        convert = _category(feature)
    else:
        convert = {"float": _float, "integer": _integer, "boolean": _boolean}[feature.dtype]
    absent = None if feature.is_text else MISSING
    allowed = feature.missing == "allow"

    def nullable(value: Any) -> Any:
        if value is None:
            if not allowed:
                raise UnusableError("expected a value, found null", "missing")
            return absent
        return convert(value)

    return nullable


def _float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"expected a number, found {json_type(value)}")
    if not -MAX_FLOAT <= value <= MAX_FLOAT:
        raise ValueError("expected a number in the range of float32")
    return float(value)


def _integer(value: Any) -> float:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ValueError(f"expected an integer, found {json_type(value)}")
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("expected an integer from -2^53 to 2^53")
    return float(value)


def _boolean(value: Any) -> float:
    if type(value) is not bool:
        raise ValueError(f"expected true or false, found {json_type(value)}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a string, found {json_type(value)}")
    return value


def _category(feature: Feature) -> Callable[[Any], float]:
    codes = feature.codes
    listed = ", ".join(list(codes)[:20]) + (", ..." if len(codes) > 20 else "")

    def convert(value: Any) -> float:
        if type(value) is not str:
            raise ValueError(f"expected a string, found {json_type(value)}")
        code = codes.get(value)
        if code is None:
            raise UnusableError(f"unknown category: expected one of {listed}", "unseen")
        return code

    return convert
