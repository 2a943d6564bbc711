"""Rows whose columns are named once: MLflow's `dataframe_split` and `inputs`, and CSV.

Missing and unknown columns are named once, not for each row; the Validator decides which they are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app.errors import FieldError, RequestError
from app.model.converters import json_type
from app.model.validation import contract_error, row_count_error, width_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.model.contract import Contract
    from app.model.validation import Batch, Validator

SPLIT_KEYS = ("columns", "index", "data")
SPLIT_LOC = ("dataframe_split",)
COLUMNS_LOC = (*SPLIT_LOC, "columns")
DATA_LOC = (*SPLIT_LOC, "data")
INPUTS_LOC = ("inputs",)
Loc = tuple[str | int, ...]


class Columns:
    """Reads rows with named columns for one model. Built once, used by every request."""

    def __init__(self, contract: Contract, validator: Validator, max_rows: int) -> None:
        self._names = contract.names
        self._features = frozenset(contract.names)
        self._validator = validator
        self._max_rows = max_rows

    def read_split(self, table: Any) -> Batch:
        """The rows of a `dataframe_split`; its `index` is ignored. Raises RequestError 422."""
        if not isinstance(table, dict):
            text = f"expected an object, found {json_type(table)}"
            raise contract_error([FieldError(SPLIT_LOC, text)])
        errors = [
            FieldError((*SPLIT_LOC, key[:100]), "unknown key")
            for key in table
            if key not in SPLIT_KEYS
        ]
        data = table.get("data")
        if not isinstance(data, list):
            kind = json_type(data) if "data" in table else "nothing"
            errors.append(FieldError(DATA_LOC, f"expected a list of rows, found {kind}"))
        elif not 1 <= len(data) <= self._max_rows:
            raise row_count_error(len(data), self._max_rows, DATA_LOC, errors)
        columns = table.get("columns")
        if columns is not None and not isinstance(columns, list):
            errors.append(FieldError(COLUMNS_LOC, f"expected a list, found {json_type(columns)}"))
        if errors:
            raise contract_error(errors)
        # pandas numbers the columns of a frame without names: its rows are by position.
        numbers = [index for index in columns or () if type(index) is int]
        if columns is None or columns == numbers == list(range(len(columns))):
            columns = None
        return self.read_rows(columns, data or [], COLUMNS_LOC, DATA_LOC)

    def read_rows(
        self, columns: list[Any] | None, data: list[Any], columns_loc: Loc, data_loc: Loc
    ) -> Batch:
        """Rows by position in `columns`, or in the contract if that is None.

        The caller has checked the number of rows. Raises RequestError 422.
        """
        if columns is not None:
            self.require_columns(columns, columns_loc)
        width = len(self._names if columns is None else columns)
        rows: list[Any] = []
        locs: list[Loc] = []
        errors: list[FieldError] = []
        for index, row in enumerate(data):
            loc = (*data_loc, index)
            if not isinstance(row, list):
                errors.append(FieldError(loc, f"expected a list, found {json_type(row)}"))
            elif len(row) != width:
                errors.append(FieldError(loc, width_text(width, len(row))))
            else:
                rows.append(row if columns is None else dict(zip(columns, row, strict=True)))
                locs.append(loc)
        if not rows:
            raise contract_error(errors)
        return self._validator.batch(rows, locs, self._max_rows, errors)

    def read_inputs(self, inputs: dict[str, Any]) -> Batch:
        """Rows of `inputs` that has a list of values for each column. Raises RequestError 422."""
        lists = [values for values in inputs.values() if isinstance(values, list)]
        count = max(map(len, lists))
        if not 1 <= count <= self._max_rows:
            raise row_count_error(count, self._max_rows, INPUTS_LOC)
        errors: list[FieldError] = []
        for name, values in inputs.items():
            loc = (*INPUTS_LOC, name[:100])
            if not isinstance(values, list):
                text = f"expected a list, as other columns are, found {json_type(values)}"
                errors.append(FieldError(loc, text))
            elif len(values) != count:
                text = f"expected {count} values, as the longest column has, found {len(values)}"
                errors.append(FieldError(loc, text))
        if errors:
            raise contract_error(errors)
        self.require_columns(list(inputs), INPUTS_LOC)
        # A column that the Validator does not miss is one of missing values.
        missing = [None] * count
        encoded = [
            self._validator.column(
                name, inputs.get(name, missing), partial(_cell_loc, name), errors
            )
            for name in self._names
        ]
        if errors:
            raise contract_error(errors)
        return self._validator.assemble(encoded)

    def require_columns(self, columns: Sequence[Any], loc: Loc) -> None:
        """Raises RequestError 422 for duplicate, missing and unknown columns, each named once."""
        seen: set[str] = set()
        errors: list[FieldError] = []
        for index, name in enumerate(columns):
            if not isinstance(name, str):
                text = f"expected a string, found {json_type(name)}"
                errors.append(FieldError((*loc, index), text))
            elif name in seen:
                errors.append(FieldError((*loc, name[:100]), "duplicate column"))
            else:
                seen.add(name)
        if errors:
            raise contract_error(errors)
        if seen == self._features:
            return
        try:
            self._validator.batch([dict.fromkeys(columns)], [()], 1)
        except RequestError as error:
            # The others are about its values, which are none.
            errors = [
                FieldError((*loc, *entry.loc), entry.msg)
                for entry in error.errors
                if entry.loc and not (entry.loc[0] in seen and entry.loc[0] in self._features)
            ]
        if errors:
            raise contract_error(errors)


def _cell_loc(name: str, row: int) -> Loc:
    return (*INPUTS_LOC, name, row)
