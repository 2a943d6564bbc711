"""Validate rows against a contract and encode them, or list every invalid field.

Pure: no HTTP, no model. Visits only the levels that a contract has, so that a deeply nested
document costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import FieldError, RequestError
from app.model.converters import UnusableError, converter, json_type
from app.model.feature import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract

# Bounds the response to a body full of errors.
MAX_ERRORS = 100
# The metrics' reason for too many rows; the problem's type is `contract`.
TOO_MANY_ROWS = "too-many-rows"


@dataclass(frozen=True)
class Batch:
    """Validated rows: encoded as float64 (see `contract`), and the texts of open columns."""

    matrix: NDArray[np.float64]
    text: dict[str, list[str | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)


class Validator:
    """Turn rows into a Batch by one contract. Built once, used by every request."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._converters = [converter(feature) for feature in contract.inputs]
        self._by_feature = dict(zip(contract.names, self._converters, strict=True))
        self._positions: tuple[str | int, ...] = tuple(range(len(contract.inputs)))
        self._open = [index for index, entry in enumerate(contract.inputs) if entry.is_open]
        self._ignored = frozenset(contract.ignored)
        self._ignores_all = contract.extra == "ignore"

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
        return self._encoded(encoded)

    def valid_rows(self, rows: list[list[Any]]) -> Batch | None:
        """A Batch of rows with a value for each feature; None if any is invalid."""
        convert = self._converters
        try:
            return self._encoded(
                [[each(value) for each, value in zip(convert, row, strict=True)] for row in rows]
            )
        except ValueError:
            return None

    def column(
        self,
        name: str,
        values: list[Any],
        loc: Callable[[int], tuple[str | int, ...]],
        errors: list[FieldError],
    ) -> list[Any]:
        """Convert one feature's values for `assemble`; append every invalid one to `errors`."""
        convert = self._by_feature[name]
        encoded = []
        for row, value in enumerate(values):
            try:
                encoded.append(convert(value))
            except ValueError as error:
                errors.append(_field_error(loc(row), name, error))
        return encoded

    def assemble(self, columns: list[list[Any]]) -> Batch:
        """A Batch of converted columns, one for each feature in the contract's order."""
        return self._encoded([list(row) for row in zip(*columns, strict=True)])

    def ignores(self, name: str) -> bool:
        """Whether a row may have this key although it is no feature."""
        return self._ignores_all or name in self._ignored

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
                errors.append(FieldError(loc, width_text(len(self._converters), len(row))))
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
        is_complete = all(map(row.__contains__, names))
        if is_complete and len(row) == len(names):
            return [row[name] for name in names], names
        unknown = [name for name in row if name not in self._by_feature and not self.ignores(name)]
        if is_complete and not unknown:
            return [row[name] for name in names], names
        errors.extend(FieldError((*loc, name), "missing") for name in names if name not in row)
        errors.extend(FieldError((*loc, name[:100]), "unknown feature") for name in unknown)
        present = tuple(name for name in names if name in row)
        for name in present:
            try:
                self._by_feature[name](row[name])
            except ValueError as error:
                errors.append(_field_error((*loc, name), name, error))
        return [], ()

    def _encoded(self, rows: list[list[Any]]) -> Batch:
        """A Batch of converted rows: texts move to their columns and leave their codes."""
        if not self._open:
            return Batch(np.array(rows, dtype=np.float64))
        text = {}
        for index in self._open:
            feature = self._contract.inputs[index]
            text[feature.name] = [row[index] for row in rows]
            for row in rows:
                row[index] = feature.code(row[index])
        return Batch(np.array(rows, dtype=np.float64), text)


def width_text(expected: int, found: int) -> str:
    """What is wrong with the number of values of a row."""
    return f"expected {expected} values, found {found}"


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
