"""Convert V2 tensors to validated rows by the contract.

One tensor per feature, [n] or [n, 1]; a model without strings also accepts all features as one
tensor [n, features] under any name. Values pass the same converters as those of JSON rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app.model.validation import TOO_MANY_ROWS, row_count_text
from app.protocols.frames import MAX_NAME
from app.protocols.tensors import BOOL, BYTES, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.model.contract import Contract
    from app.model.feature import Feature
    from app.model.validation import Batch, Validator
    from app.protocols.frames import Loc, Problems, Tensor

# Datatype of a feature in the metadata, and datatypes it is accepted as.
METADATA_DATATYPES = {
    "float": "FP64",
    "integer": "INT64",
    "boolean": BOOL,
    "string": BYTES,
    "datetime": BYTES,
}
ACCEPTED_DATATYPES = {
    "float": NUMBERS,
    "integer": NUMBERS,
    "boolean": NUMBERS | {BOOL},
    "string": frozenset([BYTES]),
    "datetime": frozenset([BYTES, "INT64"]),
}
# Datatypes whose every value in a message is one of theirs.
WIDE = frozenset({"FP64", "FP32", "INT64", "UINT64", "INT32", "UINT32"})
# Booleans in a numeric tensor, such as an FP32 matrix.
BOOLEANS: dict[Any, bool] = {0: False, 1: True}


class Inputs:
    """Converts the tensors of one model. Built once, used by every request."""

    def __init__(self, contract: Contract, validator: Validator, max_rows: int) -> None:
        self._features = {feature.name: feature for feature in contract.inputs}
        self._is_numeric = all(f.dtype not in ("string", "datetime") for f in contract.inputs)
        self._has_booleans = any(f.dtype == "boolean" for f in contract.inputs)
        self._validator = validator
        self._max_rows = max_rows

    def __len__(self) -> int:
        return len(self._features)

    def describe(self) -> list[dict[str, Any]]:
        """The inputs as listed in the model's metadata."""
        return [
            {"name": name, "datatype": METADATA_DATATYPES[feature.dtype], "shape": [-1]}
            for name, feature in self._features.items()
        ]

    def batch(self, tensors: list[Tensor], names: set[str], problems: Problems) -> Batch:
        """Validate and encode; `names` are the names of all inputs in the request, valid or not.

        Raises RequestError with all errors, including those already in `problems`.
        """
        is_readable = self._rows_agree(tensors, problems)
        if len(tensors) == 1 and self._is_matrix(tensors[0]):
            return self._from_matrix(tensors[0], problems, is_readable=is_readable)
        return self._from_columns(tensors, names, problems, is_readable=is_readable)

    def valid_matrix(
        self, name: str, datatype: str, shape: Sequence[int], values: list[Any]
    ) -> Batch | None:
        """A Batch of valid numbers in one tensor of all features; None for anything else.

        It costs a third of `batch`, which finds out what is wrong.
        """
        width = len(self._features)
        is_matrix = len(shape) == 2 and shape[1] == width and len(values) == shape[0] * width
        if not is_matrix or not 1 <= shape[0] <= self._max_rows:
            return None
        is_named_freely = 1 <= len(name) <= MAX_NAME and name not in self._features
        if not self._is_numeric or datatype not in WIDE or not is_named_freely:
            return None
        return self._valid_rows(values)

    def _valid_rows(self, values: list[Any]) -> Batch | None:
        """A Batch of the elements of a matrix; None if one is invalid, or must be translated."""
        if self._has_booleans:
            return None
        width = len(self._features)
        rows = [values[start : start + width] for start in range(0, len(values), width)]
        return self._validator.valid_rows(rows)

    def _rows_agree(self, tensors: list[Tensor], problems: Problems) -> bool:
        """Whether all tensors have the same, allowed number of rows, so that data may be read."""
        before = len(problems.errors)
        counts = sorted({tensor.shape[0] for tensor in tensors if tensor.shape})
        if len(counts) > 1:
            listed = ", ".join(map(str, counts[:10]))
            text = f"expected the same number of rows in every tensor, found {listed}"
            problems.add(("inputs",), text)
        for tensor in tensors:
            if tensor.shape and not 1 <= tensor.shape[0] <= self._max_rows:
                text = row_count_text(tensor.shape[0], self._max_rows)
                problems.add(("inputs", tensor.name[:100]), text)
                if tensor.shape[0]:
                    problems.reason = TOO_MANY_ROWS
        return len(problems.errors) == before

    def _is_matrix(self, tensor: Tensor) -> bool:
        is_feature = tensor.name in self._features and len(self._features) > 1
        return self._is_numeric and len(tensor.shape) == 2 and not is_feature

    def _from_matrix(self, tensor: Tensor, problems: Problems, *, is_readable: bool) -> Batch:
        loc = ("inputs", tensor.name)
        width = len(self._features)
        if tensor.shape[1] != width:
            text = f"expected [n, {width}], found {list(tensor.shape)}"
            problems.add((*loc, "shape"), text)
            is_readable = False
        if tensor.datatype not in NUMBERS:
            problems.add(
                (*loc, "datatype"), f"expected a numeric datatype, found {tensor.datatype}"
            )
            is_readable = False
        # None: a problem says why.
        values = (tensor.values(problems) if is_readable else None) or []
        batch = None if problems.errors else self._valid_rows(values)
        if batch is not None:
            return batch
        columns = [
            self._validator.column(
                feature.name,
                _json_values(feature, values[index::width]),
                partial(_cell_loc, tensor.name, feature.name),
                problems.errors,
            )
            for index, feature in enumerate(self._features.values())
        ]
        problems.raise_if_any()
        return self._validator.assemble(columns)

    def _from_columns(
        self, tensors: list[Tensor], names: set[str], problems: Problems, *, is_readable: bool
    ) -> Batch:
        columns: dict[str, list[Any]] = {}
        for tensor in tensors:
            feature = self._features.get(tensor.name)
            if feature is None:
                if not self._validator.ignores(tensor.name):
                    problems.add(("inputs", tensor.name[:100]), self._unknown())
                continue
            if self._is_acceptable(tensor, feature, problems) and is_readable:
                values = tensor.values(problems)
                columns[tensor.name] = self._validator.column(
                    tensor.name,
                    _json_values(feature, values or []),
                    partial(_cell_loc, tensor.name, None),
                    problems.errors,
                )
        # An invalid tensor with another name may be the matrix of all features.
        unclear = names - {tensor.name for tensor in tensors} - self._features.keys()
        for name in self._features if names and not unclear else ():
            if name not in names:
                problems.add(("inputs", name), "missing")
        problems.raise_if_any()
        return self._validator.assemble([columns[name] for name in self._features])

    def _is_acceptable(self, tensor: Tensor, feature: Feature, problems: Problems) -> bool:
        """Whether datatype and shape of a tensor suit its feature; adds errors if not."""
        loc = ("inputs", tensor.name)
        before = len(problems.errors)
        if tensor.datatype not in ACCEPTED_DATATYPES[feature.dtype]:
            expected = METADATA_DATATYPES[feature.dtype]
            others = "" if expected == BYTES else " or another numeric datatype"
            text = f"expected {expected}{others}, found {tensor.datatype}"
            problems.add((*loc, "datatype"), text)
        if not (len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)):
            text = f"expected [n] or [n, 1], found {list(tensor.shape)}"
            problems.add((*loc, "shape"), text)
        return len(problems.errors) == before

    def _unknown(self) -> str:
        names = list(self._features)
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        matrix = f", or one tensor [n, {len(names)}] of numbers" if self._is_numeric else ""
        return f"unknown input: expected one tensor for each of {listed}{matrix}"


def _cell_loc(tensor: str, feature: str | None, row: int) -> Loc:
    """Location of a value: its row, and its feature if the tensor has all features."""
    return ("inputs", tensor, row) if feature is None else ("inputs", tensor, row, feature)


def _json_values(feature: Feature, values: list[Any]) -> list[Any]:
    """Translate values as JSON would have them: booleans from numbers, null from ''."""
    if feature.dtype == "boolean":
        return [BOOLEANS.get(value, value) for value in values]
    is_text = feature.dtype in ("string", "datetime") and not feature.is_text
    if is_text and feature.missing == "allow" and "" not in feature.codes:
        return [None if value == "" else value for value in values]
    return values
