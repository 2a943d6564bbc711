"""The data between two steps: a float64 matrix, and the meaning of each column's numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from modelctl.packaging.lowering.graph import CannotLowerError, Graph


@dataclass(frozen=True)
class Column:
    """A number, or the position of a category in `categories`; NaN is a missing value."""

    categories: tuple[Any, ...] | None = None

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

    def pick(self, graph: Graph, indexes: list[int]) -> Block:
        """Some of the columns, in the given order."""
        columns = tuple(self.columns[index] for index in indexes)
        if indexes == list(range(len(self.columns))):
            return self
        return Block(graph.columns(self.name, indexes), columns)

    def numbers(self, what: str) -> str:
        """The matrix. Raises CannotLowerError unless every column is numeric."""
        if any(column.categories is not None for column in self.columns):
            raise CannotLowerError(f"{what} on a column of strings")
        return self.name

    def replaced(self, name: str) -> Block:
        """The same columns with other values."""
        return Block(name, self.columns)


def numeric(name: str, width: int) -> Block:
    """A block of plain numbers."""
    return Block(name, (Column(),) * width)


def join(graph: Graph, blocks: list[Block]) -> Block:
    """Blocks side by side."""
    kept = [block for block in blocks if block.columns]
    columns = tuple(column for block in kept for column in block.columns)
    return Block(graph.concat([block.name for block in kept]), columns)


def is_missing(value: Any) -> bool:
    """Whether a fitted encoder's category or an imputer's marker means "no value"."""
    return value is None or (isinstance(value, float) and math.isnan(value))
