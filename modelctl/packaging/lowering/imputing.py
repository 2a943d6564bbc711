"""Imputation: fitted statistics instead of missing values, and missing indicators.

onnxruntime has no double-precision Imputer, hence IsNaN and Where.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering.columns import Block, is_missing, join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError

if TYPE_CHECKING:
    from modelctl.packaging.lowering.graph import Graph


def simple_imputer(graph: Graph, step: Any, block: Block) -> Block:
    """The fitted statistic for a missing value; a column without a statistic is dropped."""
    kept = [at for at, value in enumerate(step.statistics_) if not is_missing(value)]
    if not kept:
        raise CannotLowerError("SimpleImputer that keeps no column")
    source = block.pick(graph, kept)
    columns, fills = [], []
    for column, statistic in zip(source.columns, step.statistics_[kept], strict=True):
        if column.categories is not None and statistic not in column.categories:
            column = replace(column, categories=(*column.categories, statistic))
        if column.closed is not None:
            column = replace(column, closed=column.closed | {statistic})
        code = column.code(statistic)
        if code is None:
            raise CannotLowerError(f"SimpleImputer fills numbers with {statistic!r}")
        columns.append(column)
        fills.append(code)
    missing = _missing(graph, source, step.missing_values)
    filled = graph.add("Where", missing, graph.constant(fills), source.name)
    result = Block(filled, tuple(columns), source.is_suspect)
    if not step.add_indicator or not len(step.indicator_.features_):
        return result
    return join(graph, [result, missing_indicator(graph, step.indicator_, block)])


def missing_indicator(graph: Graph, step: Any, block: Block) -> Block:
    """A 0/1 column for each indicated feature: whether its value is missing."""
    indicated = [int(index) for index in step.features_]
    source = block.pick(graph, indicated)
    flags = graph.double(_missing(graph, source, step.missing_values))
    return numeric(flags, len(indicated))


def _missing(graph: Graph, block: Block, marker: Any) -> str:
    """[n, columns] of booleans: whether a value is the missing-value marker."""
    if is_missing(marker):
        return graph.add("IsNaN", block.name)
    # A marker that a column cannot contain gets a code that nothing equals.
    codes = [column.code(marker) for column in block.columns]
    wanted = [-1.0 if code is None else code for code in codes]
    if any(
        c.categories is None and code is None for c, code in zip(block.columns, codes, strict=True)
    ):
        raise CannotLowerError(f"imputation of {marker!r} on a numeric column")
    return graph.add("Equal", block.name, graph.constant([wanted]))
