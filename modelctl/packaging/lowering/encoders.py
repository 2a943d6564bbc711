"""Encoders of categories: one column per category, positions, or means of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.columns import Block, is_missing, join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelctl.packaging.lowering.graph import Graph

NOTHING = float("nan")


def one_hot_encoder(graph: Graph, step: Any, block: Block) -> Block:
    """One 0/1 column per category (or group of rare ones) that was not dropped.

    An unknown category is all zeros, or counts as rare if the encoder is configured so.
    """
    parts = []
    for index, categories in enumerate(step.categories_):
        single = block.pick(graph, [index])
        _refuse_unknown(graph, step, single, list(categories))
        dropped = None if step.drop_idx_ is None else step.drop_idx_[index]
        groups = _groups(step, index)
        if groups is None:
            kept = [value for at, value in enumerate(categories) if at != dropped]
            if kept:
                parts.append(numeric(_matches(graph, single, kept), len(kept)))
            continue
        table = np.eye(int(groups.max()) + 1)
        # Rows: the categories, then "none of them".
        rare = groups[step._infrequent_indices[index][0]]
        counts_as_rare = step.handle_unknown in ("infrequent_if_exist", "warn")
        rows = np.vstack([table[groups], table[rare] * counts_as_rare])
        if dropped is not None:
            rows = np.delete(rows, groups[dropped], axis=1)
        matches = _or_none(graph, _matches(graph, single, list(categories)))
        parts.append(numeric(graph.add("MatMul", matches, graph.constant(rows)), rows.shape[1]))
    return join(graph, parts)


def ordinal_encoder(graph: Graph, step: Any, block: Block) -> Block:
    """The position of the category (or of the group of rare ones) in the fitted order."""
    parts = []
    for index, categories in enumerate(step.categories_):
        single = block.pick(graph, [index])
        _refuse_unknown(graph, step, single, list(categories))
        matches = _matches(graph, single, list(categories))
        groups = _groups(step, index)
        positions = np.arange(len(categories), dtype=np.float64)
        if groups is not None:
            # A missing value, always the last category, belongs to no group.
            positions[: len(groups)] = groups
        if len(categories) and is_missing(categories[-1]):
            # NaN times 0 would spread through the product; it is put in place by Where below.
            positions[-1] = 0
        result = graph.add("MatMul", matches, graph.constant(positions.reshape(-1, 1)))
        if step.handle_unknown == "use_encoded_value":
            total = graph.add("ReduceSum", matches, graph.integers([1]), keepdims=1)
            unknown = graph.add("Equal", total, graph.constant(np.float64(0)))
            filler = graph.constant(np.float64(step.unknown_value))
            result = graph.add("Where", unknown, filler, result)
        if len(categories) and is_missing(categories[-1]):
            missing = graph.add("IsNaN", single.name)
            filler = graph.constant(np.float64(step.encoded_missing_value))
            result = graph.add("Where", missing, filler, result)
        parts.append(numeric(result, 1))
    return join(graph, parts)


def target_encoder(graph: Graph, step: Any, block: Block) -> Block:
    """The fitted mean of the target per category (per class, for three or more); else of all."""
    means = np.atleast_1d(step.target_mean_)
    width = len(means)
    parts = []
    for index, categories in enumerate(step.categories_):
        single = block.pick(graph, [index])
        encodings = step.encodings_[index * width : (index + 1) * width]
        rows = np.vstack([np.column_stack(encodings), means])
        matches = _or_none(graph, _matches(graph, single, list(categories)))
        parts.append(numeric(graph.add("MatMul", matches, graph.constant(rows)), width))
    return join(graph, parts)


def _refuse_unknown(graph: Graph, step: Any, single: Block, categories: list[Any]) -> None:
    """Refuse rows without a fitted category, as `handle_unknown="error"` does.

    Nothing to do where the contract's closed list has fitted categories only.
    """
    closed = single.columns[0].closed
    if step.handle_unknown != "error" or (closed is not None and closed <= set(categories)):
        return
    total = graph.add(
        "ReduceSum", _matches(graph, single, categories), graph.integers([1]), keepdims=1
    )
    graph.refuse(graph.add("Equal", total, scalar(graph, 0.0)))


def _groups(step: Any, index: int) -> NDArray[np.int64] | None:
    """The group of each category, for a feature with grouped rare categories."""
    if not getattr(step, "_infrequent_enabled", False):
        return None
    mapping = step._default_to_infrequent_mappings[index]
    return None if mapping is None else np.asarray(mapping, dtype=np.int64)


def _or_none(graph: Graph, matches: str) -> str:
    """The matches and one more column: whether none of them is true."""
    total = graph.add("ReduceSum", matches, graph.integers([1]), keepdims=1)
    return graph.concat([matches, graph.add("Sub", scalar(graph, 1.0), total)])


def _matches(graph: Graph, single: Block, values: list[Any]) -> str:
    """A 0/1 matrix: whether the one column of `single` equals each of the values."""
    column = single.columns[0]
    # A value that the column cannot contain gets NaN, which nothing equals.
    codes = []
    for value in values:
        if is_missing(value):
            codes.append(NOTHING)
            continue
        code = column.code(value)
        if code is None and column.categories is None:
            raise CannotLowerError("an encoder of strings on a numeric column")
        codes.append(NOTHING if code is None else code)
    result = graph.double(graph.add("Equal", single.name, graph.constant([codes])))
    flags = [float(is_missing(value)) for value in values]
    if any(flags):
        missing = graph.double(graph.add("IsNaN", single.name))
        result = graph.add("Add", result, graph.add("Mul", missing, graph.constant([flags])))
    return result
