"""Every form of rows in a JSON document -> a validated Batch: our own forms and MLflow's.

A document has exactly one key of the protocol, or is one bare row by name, or a bare list of rows.
It is a bare row only if it has no key of the protocol at all, so that a feature called `inputs`
never changes what a document means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import FieldError
from app.model.converters import json_type
from app.model.validation import contract_error, row_count_error
from app.protocols.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.contract import Contract
    from app.model.validation import Batch, Validator

ONE_ROW_KEYS = ("features", "input")
INSTANCES = "instances"
# MLflow's; `inputs` has rows, or a list of values for each column.
RECORDS = "dataframe_records"
SPLIT = "dataframe_split"
INPUTS = "inputs"
PARAMS = "params"
PROTOCOL_KEYS = (*ONE_ROW_KEYS, INSTANCES, RECORDS, SPLIT, INPUTS, PARAMS)
FORMS = (
    "expected exactly one of `features`, `input` (one row), `instances`, `dataframe_records`, "
    "`dataframe_split` or `inputs` (rows), or one row by name"
)
Loc = tuple[str | int, ...]


class RowReader:
    """Reads the rows of documents for one model. Built once, used by every request."""

    def __init__(self, contract: Contract, validator: Validator, max_rows: int) -> None:
        self._validator = validator
        self._max_rows = max_rows
        self._features = frozenset(contract.names)
        columns = Columns(contract, validator, max_rows)
        self._readers: dict[str, Callable[[Any], Batch]] = {
            **{key: self._one_row_reader((key,)) for key in ONE_ROW_KEYS},
            **{key: self._rows_reader((key,)) for key in (INSTANCES, RECORDS)},
            SPLIT: columns.read_split,
            INPUTS: self._inputs_reader(columns),
        }

    def read(self, document: Any) -> tuple[Batch, bool]:
        """The rows of a document, and whether it has the form of one row.

        Raises RequestError 422 with every invalid field at its place in the client's form.
        """
        if type(document) is dict:
            key = self._form(document)
            if key is None:
                return self._validator.batch([document], [()], 1), True
            return self._readers[key](document[key]), key in ONE_ROW_KEYS
        if type(document) is list:
            if document and not isinstance(document[0], (list, dict)):
                text = (
                    f"expected rows, found {json_type(document[0])}: put one row under `features`"
                )
                raise contract_error([FieldError((), text)])
            return self._rows_reader(())(document), False
        text = f"expected an object or a list of rows, found {json_type(document)}"
        raise contract_error([FieldError((), text)])

    def _form(self, document: dict[str, Any]) -> str | None:
        """The key of the protocol that has the rows; None if the document is a bare row."""
        if len(document) == 1:
            (key,) = document
            if key in self._readers:
                return key
        known = [key for key in document if key in self._readers]
        if not known and PARAMS not in document and not self._features.isdisjoint(document):
            return None
        errors = [
            FieldError((key[:100],), self._unknown(key))
            for key in document
            if key not in PROTOCOL_KEYS
        ]
        # MLflow's clients send it with every request.
        if document.get(PARAMS) not in (None, {}):
            errors.append(FieldError((PARAMS,), "expected null or {}: the model has no parameters"))
        if len(known) != 1:
            errors.append(FieldError((), FORMS))
        if errors:
            raise contract_error(errors)
        return known[0]

    def _unknown(self, key: str) -> str:
        if key in self._features:
            return 'unknown key: send a feature within its row, as {"features": {...}}'
        return "unknown key"

    def _one_row_reader(self, loc: Loc) -> Callable[[Any], Batch]:
        validator, locs = self._validator, [loc]
        return lambda row: validator.batch([row], locs, 1)

    def _rows_reader(self, loc: Loc) -> Callable[[Any], Batch]:
        validator, limit = self._validator, self._max_rows

        def read(rows: Any) -> Batch:
            if not isinstance(rows, list):
                raise contract_error([FieldError(loc, f"expected a list, found {json_type(rows)}")])
            if not 1 <= len(rows) <= limit:
                raise row_count_error(len(rows), limit, loc)
            return validator.batch(rows, [(*loc, index) for index in range(len(rows))], limit)

        return read

    def _inputs_reader(self, columns: Columns) -> Callable[[Any], Batch]:
        features = self._features
        read_rows, read_row = self._rows_reader((INPUTS,)), self._one_row_reader((INPUTS,))

        def read(inputs: Any) -> Batch:
            if not isinstance(inputs, dict):
                return read_rows(inputs)
            # By a feature's value: a key that is no feature may have any.
            if not any(isinstance(inputs[name], list) for name in features & inputs.keys()):
                return read_row(inputs)
            return columns.read_inputs(inputs)

        return read
