"""The data between two steps: a float64 matrix, and the meaning of each column's numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from modelctl.packaging.lowering.graph import CannotLowerError, Graph


@dataclass(frozen=True)
class Column:
    """A number, or the position of a category in `categories`; NaN is a missing value.

    `closed`: the only values there are, by the contract; None if there may be others.
    """

    categories: tuple[Any, ...] | None = None
    closed: frozenset[Any] | None = None
    # Whole numbers in training: NumPy calculates with them in another way than with fractions.
    is_whole: bool = False

    def code(self, value: Any) -> float | None:
        """The number that encodes a value; None for a value that this column cannot contain."""
        if self.categories is None:
            try:
                return float(value)
            except (TypeError, ValueError):
                return None
        return float(self.categories.index(value)) if value in self.categories else None


@dataclass(frozen=True)
class Block:
    """A float64 matrix in the graph and its columns."""

    name: str
    columns: tuple[Column, ...]
    # A step has calculated these numbers: they may be infinite, or NaN though nothing is missing.
    is_suspect: bool = False

    def pick(self, graph: Graph, indexes: list[int]) -> Block:
        """Some of the columns, in the given order."""
        columns = tuple(self.columns[index] for index in indexes)
        if indexes == list(range(len(self.columns))):
            return self
        return Block(graph.columns(self.name, indexes), columns, self.is_suspect)

    def numbers(self, what: str) -> str:
        """The matrix. Raises CannotLowerError unless every column is numeric."""
        if any(column.categories is not None for column in self.columns):
            raise CannotLowerError(f"{what} on a column of strings")
        return self.name

    def replaced(self, name: str) -> Block:
        """As many columns of other numbers."""
        return Block(name, (Column(),) * len(self.columns), self.is_suspect)

    def suspect(self) -> Block:
        """The same, with numbers that may not be finite."""
        return replace(self, is_suspect=True)


def numeric(name: str, width: int) -> Block:
    """A block of plain numbers."""
    return Block(name, (Column(),) * width)


def join(graph: Graph, blocks: list[Block]) -> Block:
    """Blocks side by side."""
    kept = [block for block in blocks if block.columns]
    columns = tuple(column for block in kept for column in block.columns)
    is_suspect = any(block.is_suspect for block in kept)
    return Block(graph.concat([block.name for block in kept]), columns, is_suspect)


def is_missing(value: Any) -> bool:
    """Whether a fitted encoder's category or an imputer's marker means "no value"."""
    return value is None or (isinstance(value, float) and math.isnan(value))
