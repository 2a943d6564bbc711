"""Class probabilities from pairwise probabilities, by libsvm's pairwise coupling.

Wu, Lin and Weng's second method: rounds of updates that stop, row by row, once the error is small.
The number of rounds affects the result, so the loop is reproduced here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from modelctl.packaging.lowering.graph import Graph

MAX_ROUNDS = 100
STOP = 0.005


def coupled(graph: Graph, pairwise: str, pairs: list[tuple[int, int]]) -> str:
    """[n, pairs] of "the first of this pair" -> [n, classes]."""
    classes = max(other for _, other in pairs) + 1
    costs = _costs(graph, pairwise, pairs, classes)
    diagonal = graph.concat([graph.columns(row, [at]) for at, row in enumerate(costs)])
    # Uniform to start with, in as many rows as there are.
    nothing = graph.add("Mul", diagonal, scalar(graph, 0.0))
    start = graph.add("Add", nothing, scalar(graph, 1 / classes))

    def one_round(body: Graph, state: str) -> tuple[str, str]:
        parts = [body.add("Mul", row, state) for row in costs]
        axis = body.integers([1])
        sums = [body.add("ReduceSum", part, axis, keepdims=1) for part in parts]
        products = body.concat(sums)
        total = body.add("ReduceSum", body.add("Mul", state, products), axis, keepdims=1)
        errors = body.add("Abs", body.add("Sub", products, total))
        worst = body.add("ReduceMax", errors, axis, keepdims=1)
        is_active = body.add("GreaterOrEqual", worst, scalar(body, STOP / classes))
        changed = _sweep(body, state, products, total, costs)
        result = body.add("Where", is_active, changed, state)
        any_active = body.add("ReduceMax", body.double(is_active), keepdims=0)
        return result, body.add("Greater", any_active, scalar(body, 0.0))

    return graph.repeat(max(MAX_ROUNDS, classes), start, graph.constant(True, np.bool_), one_round)


def _costs(graph: Graph, pairwise: str, pairs: list[tuple[int, int]], classes: int) -> list[str]:
    """The rows [n, classes] of libsvm's matrix Q, one for each class."""
    one = scalar(graph, 1.0)
    share = {}
    for at, (first, other) in enumerate(pairs):
        share[first, other] = graph.columns(pairwise, [at])
        share[other, first] = graph.add("Sub", one, share[first, other])
    rows = []
    for at in range(classes):
        own, cells = "", {}
        for other in range(classes):
            if other != at:
                against = share[other, at]
                square = graph.add("Mul", against, against)
                own = graph.add("Add", own, square) if own else square
                cells[other] = graph.add("Neg", graph.add("Mul", against, share[at, other]))
        cells[at] = own
        rows.append(graph.concat([cells[other] for other in range(classes)]))
    return rows


def _sweep(body: Graph, state: str, products: str, total: str, costs: list[str]) -> str:
    """Update each class's probability in turn, and rescale everything else."""
    one = scalar(body, 1.0)
    for at, row in enumerate(costs):
        product = body.columns(products, [at])
        own = body.columns(row, [at])
        step = body.add("Div", body.add("Sub", total, product), own)
        unit = np.zeros((1, len(costs)))
        unit[0, at] = 1.0
        state = body.add("Add", state, body.add("Mul", step, body.constant(unit)))
        scale = body.add("Add", one, step)
        twice = body.add("Mul", product, scalar(body, 2.0))
        growth = body.add("Mul", step, body.add("Add", body.add("Mul", step, own), twice))
        total = body.add("Div", body.add("Div", body.add("Add", total, growth), scale), scale)
        moved = body.add("Add", products, body.add("Mul", step, row))
        products = body.add("Div", moved, scale)
        state = body.add("Div", state, scale)
    return state
