"""A document -> rows of numbers, or a list of every wrong field. Pure: no HTTP, no model.

Only the levels that a contract knows are ever visited, so a deep document costs nothing.
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

# scikit-learn's trees cast to float32 and refuse what does not fit; so does this contract, always.
LARGEST_FLOAT = float(np.finfo(np.float32).max)
# Whole numbers beyond this are not exact in float64.
LARGEST_INTEGER = 2**53
# A body full of mistakes gets an answer of bounded size.
MAX_ERRORS = 100
MISSING = float("nan")
# What metrics call a refusal for the number of rows: clients see one of the contract.
TOO_MANY_ROWS = "too-many-rows"


@dataclass(frozen=True)
class Batch:
    """Validated rows: float64 numbers (see `contract`), and free-text columns beside them."""

    matrix: NDArray[np.float64]
    text: dict[str, list[str | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)


class UnusableError(ValueError):
    """A value of the right type that the model has no use for; `bin` is what drift calls it."""

    def __init__(self, text: str, bin_: str) -> None:
        super().__init__(text)
        self.bin = bin_


class Validator:
    """Turns rows into a Batch by one contract. Built once, used by every request."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._converters = [_converter(feature) for feature in contract.inputs]
        self._by_feature = dict(zip(contract.names, self._converters, strict=True))
        self._positions: tuple[str | int, ...] = tuple(range(len(contract.inputs)))
        self._text = [index for index, entry in enumerate(contract.inputs) if entry.is_text]

    def batch(
        self,
        rows: list[Any],
        places: list[tuple[str | int, ...]],
        limit: int,
        noted: Sequence[FieldError] = (),
    ) -> Batch:
        """Check and encode 1 to `limit` rows, which stand at `places`.

        Raises RequestError 422 naming every wrong field, after what was noted before.
        """
        if not 1 <= len(rows) <= limit:
            text = f"expected 1 to {limit} rows, found {len(rows)}"
            place = places[0][:1] if places else ("instances",)
            error = contract_error([*noted, FieldError(place, text)])
            error.reason = TOO_MANY_ROWS if rows else ""
            raise error
        errors = list(noted)
        encoded = [self._row(row, place, errors) for row, place in zip(rows, places, strict=True)]
        if errors:
            raise contract_error(errors)
        if not self._text:
            return Batch(np.array(encoded, dtype=np.float64))
        return self._with_text(encoded)

    def column(
        self,
        name: str,
        values: list[Any],
        place: Callable[[int], tuple[str | int, ...]],
        errors: list[FieldError],
    ) -> list[Any]:
        """Check and encode one feature's values; every wrong one is appended to `errors`."""
        convert = self._by_feature[name]
        encoded = []
        for row, value in enumerate(values):
            try:
                encoded.append(convert(value))
            except ValueError as error:
                errors.append(_field_error(place(row), name, error))
        return encoded

    def assemble(self, columns: list[list[Any]]) -> Batch:
        """A Batch of encoded columns, one for each feature in the contract's order."""
        encoded = [list(row) for row in zip(*columns, strict=True)]
        if not self._text:
            return Batch(np.array(encoded, dtype=np.float64))
        return self._with_text(encoded)

    def _row(self, row: Any, place: tuple[str | int, ...], errors: list[FieldError]) -> list[Any]:
        values: list[Any]
        steps: tuple[str | int, ...]
        if isinstance(row, dict):
            values, steps = self._by_name(row, place, errors)
            if not steps:
                return []
        elif isinstance(row, list):
            values, steps = row, self._positions
            if len(row) != len(self._converters):
                text = f"expected {len(self._converters)} values, found {len(row)}"
                errors.append(FieldError(place, text))
                return []
        else:
            text = f"expected a list or an object, found {kind_of(row)}"
            errors.append(FieldError(place, text))
            return []
        encoded = []
        for convert, value, step in zip(self._converters, values, steps, strict=True):
            try:
                encoded.append(convert(value))
            except ValueError as error:
                name = self._contract.names[len(encoded)]
                errors.append(_field_error((*place, step), name, error))
                encoded.append(MISSING)
        return encoded

    def _by_name(
        self, row: dict[str, Any], place: tuple[str | int, ...], errors: list[FieldError]
    ) -> tuple[list[Any], tuple[str | int, ...]]:
        names = self._contract.names
        if len(row) == len(names) and all(map(row.__contains__, names)):
            return [row[name] for name in names], names
        errors.extend(FieldError((*place, name), "missing") for name in names if name not in row)
        strays = [name for name in row if name not in names]
        errors.extend(FieldError((*place, name[:100]), "unknown feature") for name in strays)
        present = tuple(name for name in names if name in row)
        for name in present:
            try:
                self._converters[names.index(name)](row[name])
            except ValueError as error:
                errors.append(_field_error((*place, name), name, error))
        return [], ()

    def _with_text(self, encoded: list[list[Any]]) -> Batch:
        text = {}
        for index in self._text:
            text[self._contract.inputs[index].name] = [row[index] for row in encoded]
            for row in encoded:
                row[index] = MISSING
        return Batch(np.array(encoded, dtype=np.float64), text)


def contract_error(errors: list[FieldError]) -> RequestError:
    """422 with every wrong place, at most MAX_ERRORS of them."""
    first = errors[0]
    where = ".".join(map(str, first.loc)) or "body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return RequestError(
        422,
        "contract",
        "The request does not fit the model's contract",
        f"{where}: {first.msg}{more}",
        errors[:MAX_ERRORS],
    )


def _field_error(place: tuple[str | int, ...], feature: str, error: ValueError) -> FieldError:
    unusable = (feature, error.bin) if isinstance(error, UnusableError) else None
    return FieldError(place, str(error), unusable)


def kind_of(value: Any) -> str:
    """The JSON name of a value's type, for error texts: never the value itself."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def _converter(feature: Feature) -> Callable[[Any], Any]:
    """The function that turns one JSON value of this feature into its number."""
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
                raise UnusableError("this feature may not be null", "missing")
            return absent
        return convert(value)

    return nullable


def _float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"expected a number, found {kind_of(value)}")
    if not -LARGEST_FLOAT <= value <= LARGEST_FLOAT:
        raise ValueError("the number is too large for a 32-bit float")
    return float(value)


def _integer(value: Any) -> float:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ValueError(f"expected a whole number, found {kind_of(value)}")
    if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError("the whole number is beyond 2^53 and would not be exact")
    return float(value)


def _boolean(value: Any) -> float:
    if type(value) is not bool:
        raise ValueError(f"expected true or false, found {kind_of(value)}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a string, found {kind_of(value)}")
    return value


def _category(feature: Feature) -> Callable[[Any], float]:
    codes = feature.codes
    listed = ", ".join(list(codes)[:20]) + (", ..." if len(codes) > 20 else "")

    def convert(value: Any) -> float:
        if type(value) is not str:
            raise ValueError(f"expected a string, found {kind_of(value)}")
        code = codes.get(value)
        if code is None:
            raise UnusableError(f"unknown category; expected one of: {listed}", "unseen")
        return code

    return convert
