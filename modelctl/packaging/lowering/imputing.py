"""Imputation: fitted statistics in place of missing values, and columns that say where they were.

onnxruntime has no Imputer in double precision, so it is IsNaN and Where here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering.columns import Block, Column, is_missing, join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError

if TYPE_CHECKING:
    from modelctl.packaging.lowering.graph import Graph


def simple_imputer(graph: Graph, step: Any, block: Block) -> Block:
    """Where a value is missing, the fitted statistic; a column without one is left out."""
    kept = [at for at, value in enumerate(step.statistics_) if not is_missing(value)]
    if not kept:
        raise CannotLowerError("SimpleImputer that keeps no column")
    source = block.pick(graph, kept)
    columns, fills = [], []
    for column, statistic in zip(source.columns, step.statistics_[kept], strict=True):
        if column.categories is not None and statistic not in column.categories:
            column = Column((*column.categories, statistic))
        code = column.code(statistic)
        if code is None:
            raise CannotLowerError(f"SimpleImputer fills numbers with {statistic!r}")
        columns.append(column)
        fills.append(code)
    missing = _missing(graph, source, step.missing_values)
    filled = graph.add("Where", missing, graph.constant(fills), source.name)
    result = Block(filled, tuple(columns))
    if not step.add_indicator or not len(step.indicator_.features_):
        return result
    return join(graph, [result, missing_indicator(graph, step.indicator_, block)])


def missing_indicator(graph: Graph, step: Any, block: Block) -> Block:
    """A 0/1 column for each watched column: whether its value is missing."""
    watched = [int(index) for index in step.features_]
    source = block.pick(graph, watched)
    flags = graph.double(_missing(graph, source, step.missing_values))
    return numeric(flags, len(watched))


def _missing(graph: Graph, block: Block, marker: Any) -> str:
    """[n, columns] of booleans: whether a value is the marker that stands for "no value"."""
    if is_missing(marker):
        return graph.add("IsNaN", block.name)
    # A marker that a column never holds has a code that nothing equals.
    codes = [column.code(marker) for column in block.columns]
    wanted = [-1.0 if code is None else code for code in codes]
    if any(
        c.categories is None and code is None for c, code in zip(block.columns, codes, strict=True)
    ):
        raise CannotLowerError(f"imputation of {marker!r} on a column of numbers")
    return graph.add("Equal", block.name, graph.constant([wanted]))
