"""V2 tensors -> validated rows, by the contract.

One tensor per feature, [n] or [n, 1]; a model of numbers alone also takes all features as one
tensor [n, features] under any name. Each value passes the same converters as a JSON row does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app.model.validation import TOO_MANY_ROWS
from app.protocols.tensors import BOOL, BYTES, NUMBERS

if TYPE_CHECKING:
    from app.model.contract import Contract, Feature
    from app.model.validation import Batch, Validator
    from app.protocols.frames import Place, Problems, Tensor

# What a feature is announced as, and what it may be sent as.
ANNOUNCED = {"float": "FP64", "integer": "INT64", "boolean": BOOL, "string": BYTES}
ACCEPTED = {
    "float": NUMBERS,
    "integer": NUMBERS,
    "boolean": NUMBERS | {BOOL},
    "string": frozenset([BYTES]),
}
# A boolean among numbers, as in a matrix of FP32.
TRUTH: dict[Any, bool] = {0: False, 1: True}


class Inputs:
    """Reads the tensors of one model. Built once, used by every request."""

    def __init__(self, contract: Contract, validator: Validator, max_rows: int) -> None:
        self._features = {feature.name: feature for feature in contract.inputs}
        self._numbers_only = all(feature.dtype != "string" for feature in contract.inputs)
        self._validator = validator
        self._max_rows = max_rows

    def __len__(self) -> int:
        return len(self._features)

    def announce(self) -> list[dict[str, Any]]:
        """The inputs as a model's metadata lists them."""
        return [
            {"name": name, "datatype": ANNOUNCED[feature.dtype], "shape": [-1]}
            for name, feature in self._features.items()
        ]

    def batch(self, tensors: list[Tensor], named: set[str], problems: Problems) -> Batch:
        """Check and encode; `named` are the names of all inputs sent, readable or not.

        Raises RequestError with everything that is wrong, what was noted before included.
        """
        readable = self._rows_agree(tensors, problems)
        if len(tensors) == 1 and self._is_matrix(tensors[0]):
            columns = self._from_matrix(tensors[0], problems, readable=readable)
        else:
            columns = self._from_columns(tensors, named, problems, readable=readable)
        problems.check()
        return self._validator.assemble(columns)

    def _rows_agree(self, tensors: list[Tensor], problems: Problems) -> bool:
        """Whether elements may be read: as many rows in each tensor, and not more than allowed."""
        before = len(problems.errors)
        counts = sorted({tensor.shape[0] for tensor in tensors if tensor.shape})
        if len(counts) > 1:
            found = ", ".join(map(str, counts[:10]))
            problems.add(("inputs",), f"expected as many rows in every tensor, found {found}")
        for tensor in tensors:
            if tensor.shape and not 1 <= tensor.shape[0] <= self._max_rows:
                text = f"expected 1 to {self._max_rows} rows, found {tensor.shape[0]}"
                problems.add(("inputs", tensor.name[:100]), text)
                if tensor.shape[0]:
                    problems.reason = TOO_MANY_ROWS
        return len(problems.errors) == before

    def _is_matrix(self, tensor: Tensor) -> bool:
        own_name = tensor.name in self._features and len(self._features) > 1
        return self._numbers_only and len(tensor.shape) == 2 and not own_name

    def _from_matrix(
        self, tensor: Tensor, problems: Problems, *, readable: bool
    ) -> list[list[Any]]:
        place = ("inputs", tensor.name)
        width = len(self._features)
        if tensor.shape[1] != width:
            text = f"expected [n, {width}], found {list(tensor.shape)}"
            problems.add((*place, "shape"), text)
            readable = False
        if tensor.datatype not in NUMBERS:
            problems.add((*place, "datatype"), f"expected numbers, found {tensor.datatype}")
            readable = False
        values = tensor.values(problems) if readable else None
        if values is None:
            return []
        return [
            self._validator.column(
                feature.name,
                _prepared(feature, values[index::width]),
                partial(_cell, tensor.name, feature.name),
                problems.errors,
            )
            for index, feature in enumerate(self._features.values())
        ]

    def _from_columns(
        self, tensors: list[Tensor], named: set[str], problems: Problems, *, readable: bool
    ) -> list[list[Any]]:
        columns: dict[str, list[Any]] = {}
        for tensor in tensors:
            feature = self._features.get(tensor.name)
            if feature is None:
                problems.add(("inputs", tensor.name[:100]), self._unknown())
                continue
            if self._fits(tensor, feature, problems) and readable:
                values = tensor.values(problems)
                columns[tensor.name] = self._validator.column(
                    tensor.name,
                    _prepared(feature, values or []),
                    partial(_cell, tensor.name, None),
                    problems.errors,
                )
        # A tensor that could not be read under a name of its own may be the one for all features.
        unclear = named - {tensor.name for tensor in tensors} - self._features.keys()
        for name in self._features if named and not unclear else ():
            if name not in named:
                problems.add(("inputs", name), "missing")
        return [columns[name] for name in self._features if name in columns]

    def _fits(self, tensor: Tensor, feature: Feature, problems: Problems) -> bool:
        """Datatype and shape of a tensor for one feature."""
        place = ("inputs", tensor.name)
        before = len(problems.errors)
        if tensor.datatype not in ACCEPTED[feature.dtype]:
            expected = ANNOUNCED[feature.dtype]
            others = "" if expected == BYTES else " or another number type"
            text = f"expected {expected}{others}, found {tensor.datatype}"
            problems.add((*place, "datatype"), text)
        if not (len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)):
            text = f"expected [n] or [n, 1], found {list(tensor.shape)}"
            problems.add((*place, "shape"), text)
        return len(problems.errors) == before

    def _unknown(self) -> str:
        names = list(self._features)
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        matrix = f", or one tensor [n, {len(names)}] of numbers" if self._numbers_only else ""
        return f"unknown input; expected one tensor for each of: {listed}{matrix}"


def _cell(tensor: str, feature: str | None, row: int) -> Place:
    """Where a value stands: its row, and its column when the tensor has one for each feature."""
    return ("inputs", tensor, row) if feature is None else ("inputs", tensor, row, feature)


def _prepared(feature: Feature, values: list[Any]) -> list[Any]:
    """What a tensor cannot say in JSON's words: booleans as numbers, absent strings as empty."""
    if feature.dtype == "boolean":
        return [TRUTH.get(value, value) for value in values]
    if feature.codes and feature.missing == "allow" and "" not in feature.codes:
        return [None if value == "" else value for value in values]
    return values
