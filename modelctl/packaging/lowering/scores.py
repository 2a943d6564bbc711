"""The last steps from decision values to probabilities and labels, shared by all families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from modelctl.packaging.lowering.columns import Block
    from modelctl.packaging.lowering.graph import Graph


def affine(graph: Graph, block: Block, coefficients: Any, intercept: Any, what: str) -> str:
    """x · coefficients + intercept."""
    product = graph.add("MatMul", block.numbers(what), graph.constant(coefficients))
    return graph.add("Add", product, graph.constant(intercept))


def vector(graph: Graph, column: str) -> str:
    """[n, 1] -> [n]."""
    return graph.add("Reshape", column, graph.integers([-1]))


def column(graph: Graph, source: str) -> str:
    """[n] -> [n, 1]."""
    return graph.add("Reshape", source, graph.integers([-1, 1]))


def positive_label(graph: Graph, decision: str, threshold: float = 0.0) -> str:
    """1 where the single decision value is above the threshold, else 0."""
    above = graph.add("Greater", vector(graph, decision), graph.constant(np.float64(threshold)))
    return graph.integer(above)


def best_label(graph: Graph, scores: str) -> str:
    """The index of the largest score; the first of equal ones, as with numpy.argmax."""
    return graph.add("ArgMax", scores, axis=1, keepdims=0)


def with_complement(graph: Graph, positive: str) -> str:
    """[p] -> [1 - p, p]."""
    return graph.concat([graph.add("Sub", graph.constant(np.float64(1)), positive), positive])


def labels_above(graph: Graph, scores: str, threshold: float = 0.0) -> str:
    """[n, labels] of 0 or 1: whether each label's score is above the threshold."""
    return graph.integer(graph.add("Greater", scores, scalar(graph, threshold)))


def with_complements(graph: Graph, positive: str, count: int) -> str:
    """[n, labels] -> [n, 2 · labels]: 1 - p and p of every label."""
    last = graph.integers([2])
    pairs = [
        graph.add("Unsqueeze", part, last)
        for part in (graph.add("Sub", scalar(graph, 1.0), positive), positive)
    ]
    stacked = graph.add("Concat", *pairs, axis=2)
    return graph.add("Reshape", stacked, graph.integers([-1, 2 * count]))


def best_labels(graph: Graph, scores: str, counts: list[int]) -> str:
    """[n, targets]: the best of each target's classes, whose scores are side by side."""
    labels = []
    start = 0
    for count in counts:
        own = graph.columns(scores, list(range(start, start + count)))
        labels.append(column(graph, best_label(graph, own)))
        start += count
    return graph.concat(labels)


def normalised(graph: Graph, scores: str, classes: int) -> str:
    """Each row divided by its sum; a row of zeros becomes uniform."""
    total = graph.add("ReduceSum", scores, graph.integers([1]), keepdims=1)
    empty = graph.add("Equal", total, graph.constant(np.float64(0)))
    uniform = graph.constant(np.full((1, classes), 1 / classes))
    return graph.add("Where", empty, uniform, graph.add("Div", scores, total))


def mean(graph: Graph, parts: list[str], weights: Any = None) -> str:
    """The (weighted) mean of equally shaped tensors, added up in their order."""
    factors = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
    total = ""
    for part, factor in zip(parts, factors, strict=True):
        scaled = part if factor == 1.0 else graph.add("Mul", part, scalar(graph, factor))
        total = graph.add("Add", total, scaled) if total else scaled
    return graph.add("Div", total, scalar(graph, sum(factors)))


def scalar(graph: Graph, value: float) -> str:
    """A constant without dimensions."""
    return graph.constant(np.float64(value))
