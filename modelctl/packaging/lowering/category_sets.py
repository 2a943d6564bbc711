"""Splits by a set of categories, as boosting libraries have them: look-ups beside the features.

TreeEnsemble compares numbers only. Each set of categories becomes one more column: the code of the
category is looked up in a table that says 0 (left) or 1 (right).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.columns import is_missing
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelctl.packaging.lowering.columns import Block, Column
    from modelctl.packaging.lowering.graph import Graph

# The code of a value that is none of the categories.
UNSEEN = -1.0
# A split at 0.5 sends a looked-up 0 to the left and a 1 to the right.
BETWEEN = 0.5
LEFT, RIGHT = 0.0, 1.0
NOT_A_NUMBER = float("nan")


def coded(graph: Graph, block: Block, native: Mapping[int, Sequence[Any]]) -> str:
    """The matrix, with the library's own code in every column of categories.

    `native` holds the categories of a column in the library's order; a value's code is its place
    there, UNSEEN for any other value, NaN for a missing one. Raises CannotLowerError for a column
    of strings that the library would not know as categories.
    """
    parts = []
    for index, column in enumerate(block.columns):
        part = graph.columns(block.name, [index])
        categories = native.get(index)
        if categories is not None:
            part = _translated(graph, part, column, categories)
        elif column.categories is not None:
            raise CannotLowerError(f"a column of strings, number {index}, without categories")
        parts.append(part)
    return graph.concat(parts) if native else block.name


def _translated(graph: Graph, codes: str, column: Column, categories: Sequence[Any]) -> str:
    """[n, 1]: codes or numbers of the request -> codes of the library."""
    if column.categories is not None:
        places = {value: float(place) for place, value in enumerate(categories)}
        table = [places.get(value, UNSEEN) for value in column.categories]
        return look_up(graph, codes, np.array([table]).T, unseen=UNSEEN, missing=NOT_A_NUMBER)
    numbers = []
    for value in categories:
        if isinstance(value, str) or is_missing(value):
            raise CannotLowerError("categories that are strings in a column of numbers")
        numbers.append(float(value))
    matches = graph.double(graph.add("Equal", codes, graph.constant([numbers])))
    # One more than the place, so that no match at all is the code before the first.
    places_after = graph.constant(np.arange(1.0, len(numbers) + 1.0).reshape(-1, 1))
    found = graph.add("Add", graph.add("MatMul", matches, places_after), scalar(graph, UNSEEN))
    missing = graph.add("IsNaN", codes)
    return graph.add("Where", missing, scalar(graph, NOT_A_NUMBER), found)


def look_up(
    graph: Graph, codes: str, table: NDArray[np.float64], *, unseen: Any, missing: Any
) -> str:
    """[n, columns of the table]: the table's row for each code, which is cut to a whole number.

    `unseen` is the row for codes outside of the table, `missing` that for NaN.
    """
    count, width = table.shape
    more = [np.broadcast_to(np.asarray(row, dtype=np.float64), width) for row in (unseen, missing)]
    rows = graph.constant(np.vstack([table, *more]))
    negative = graph.add("Less", codes, scalar(graph, 0.0))
    beyond = graph.add("GreaterOrEqual", codes, scalar(graph, float(count)))
    outside = graph.add("Or", negative, beyond)
    index = graph.add("Where", outside, scalar(graph, float(count)), codes)
    absent = graph.add("IsNaN", codes)
    index = graph.add("Where", absent, scalar(graph, float(count + 1)), index)
    flat = graph.add("Reshape", graph.integer(index), graph.integers([-1]))
    return graph.add("Gather", rows, flat, axis=0)


class CategorySets:
    """The sets that a model splits by, each a column after its `width` features."""

    def __init__(self, width: int, *, unseen: float, missing: float) -> None:
        """`unseen` and `missing`: LEFT, RIGHT, or NaN for the default direction of the split."""
        self._width = width
        self._unseen = unseen
        self._missing = missing
        self._columns: dict[tuple[int, bytes], int] = {}

    def column(self, feature: int, sides: NDArray[np.float64]) -> int:
        """The column that looks up LEFT or RIGHT by the code; equal ones are stored once."""
        key = (feature, np.ascontiguousarray(sides, dtype=np.float64).tobytes())
        return self._columns.setdefault(key, self._width + len(self._columns))

    def appended(self, graph: Graph, rows: str) -> str:
        """The float64 features, followed by every column that was asked for."""
        by_feature: dict[int, list[bytes]] = {}
        for feature, sides in self._columns:
            by_feature.setdefault(feature, []).append(sides)
        parts, order = [rows], list(range(self._width))
        for feature, sets in by_feature.items():
            tables = [np.frombuffer(sides, dtype=np.float64) for sides in sets]
            table = np.full((max(map(len, tables)), len(tables)), self._unseen)
            for at, sides_of_one in enumerate(tables):
                table[: len(sides_of_one), at] = sides_of_one
            codes = graph.columns(rows, [feature])
            parts.append(look_up(graph, codes, table, unseen=self._unseen, missing=self._missing))
            order += [self._columns[feature, sides] for sides in sets]
        joined = graph.concat(parts)
        if order == sorted(order):
            return joined
        return graph.columns(joined, np.argsort(order).tolist())
