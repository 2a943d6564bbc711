"""Functions defined by fitted points: interpolation, bins, quantiles, isotonic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.packaging.lowering.columns import Block, join, numeric
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.scores import scalar

if TYPE_CHECKING:
    from modelctl.packaging.lowering.graph import Graph

# Every value is compared with every point; beyond this size a search is faster.
MAX_POINTS = 20_000


def interpolate(graph: Graph, values: str, points: Any, heights: Any) -> str:
    """[n, 1] -> [n, 1]: as numpy.interp, constant before the first point and after the last."""
    points, heights = np.asarray(points, dtype=float), np.asarray(heights, dtype=float)
    if len(points) > MAX_POINTS:
        raise CannotLowerError(f"interpolation between {len(points):,} points")
    if len(points) == 1:
        # Zero times the value keeps a missing value missing.
        nothing = graph.add("Mul", values, scalar(graph, 0.0))
        return graph.add("Add", nothing, scalar(graph, heights[0]))
    widths = np.diff(points)
    slopes = np.divide(np.diff(heights), widths, out=np.zeros_like(widths), where=widths > 0)
    before = graph.add("Sub", count_at_most(graph, values, points), scalar(graph, 1.0))
    place = graph.integer(
        graph.add("Clip", before, scalar(graph, 0.0), scalar(graph, float(len(points) - 2)))
    )

    def at_place(table: Any) -> str:
        return graph.add("Gather", graph.constant(table), place, axis=0)

    offset = graph.add("Sub", values, at_place(points[:-1]))
    rise = graph.add("Mul", at_place(slopes), offset)
    result = graph.add("Add", rise, at_place(heights[:-1]))
    low = graph.add("LessOrEqual", values, scalar(graph, points[0]))
    result = graph.add("Where", low, scalar(graph, heights[0]), result)
    high = graph.add("GreaterOrEqual", values, scalar(graph, points[-1]))
    return graph.add("Where", high, scalar(graph, heights[-1]), result)


def count_at_most(graph: Graph, values: str, points: Any) -> str:
    """[n, 1]: how many of the points are not above the value (numpy.searchsorted, right)."""
    reached = graph.double(graph.add("GreaterOrEqual", values, graph.constant([points])))
    return graph.add("ReduceSum", reached, graph.integers([1]), keepdims=1)


def quantile_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """The share of training values below: the mean of interpolating upwards and downwards."""
    if step.output_distribution != "uniform":
        raise CannotLowerError(
            f"QuantileTransformer(output_distribution={step.output_distribution!r})"
        )
    rows = block.numbers("QuantileTransformer")
    shares = step.references_
    parts = []
    for index, points in enumerate(step.quantiles_.T):
        values = graph.columns(rows, [index])
        up = interpolate(graph, values, points, shares)
        down = interpolate(graph, graph.add("Neg", values), -points[::-1], -shares[::-1])
        result = graph.add("Mul", graph.add("Sub", up, down), scalar(graph, 0.5))
        for edge, share in ((points[-1], 1.0), (points[0], 0.0)):
            at_edge = graph.add("Equal", values, scalar(graph, edge))
            result = graph.add("Where", at_edge, scalar(graph, share), result)
        parts.append(result)
    return numeric(graph.concat(parts), len(parts))


def bins(graph: Graph, step: Any, block: Block) -> Block:
    """The number of the bin that a value falls into, or one 0/1 column per bin."""
    rows = block.numbers("KBinsDiscretizer")
    parts = []
    for index, edges in enumerate(step.bin_edges_):
        values = graph.columns(rows, [index])
        inner, count = edges[1:-1], len(edges) - 1
        if not len(inner):
            # A single bin: always 0.
            number = graph.add("Mul", values, scalar(graph, 0.0))
        else:
            number = count_at_most(graph, values, inner)
        if step.encode == "ordinal":
            parts.append(numeric(number, 1))
            continue
        numbers = graph.constant([np.arange(count, dtype=np.float64)])
        parts.append(numeric(graph.double(graph.add("Equal", number, numbers)), count))
    return join(graph, parts)


def isotonic(graph: Graph, model: Any, values: str) -> str:
    """[n, 1] -> [n, 1]: a fitted isotonic regression, clipped to what it was fitted on."""
    if model.out_of_bounds != "clip":
        raise CannotLowerError(f"IsotonicRegression(out_of_bounds={model.out_of_bounds!r})")
    return interpolate(graph, values, model.X_thresholds_, model.y_thresholds_)
