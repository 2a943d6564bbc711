"""Shapley values of one row against a background: the arithmetic alone, whatever the model.

A mix takes some features (its mask) from the row and all others from one background row. The worth
of a set of features is the mean answer of its mixes over the background; a feature's contribution
is what it adds to the worth, averaged over all orders in which features can be added. The
contributions of a row add up to its answer less the mean answer of the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

# Masks [n, features] and the background row of each [n] -> the answers [n, outputs].
Evaluate = Callable[["NDArray[np.bool_]", "NDArray[np.intp]"], "NDArray[np.float64]"]
# Mixes that are put together at once, which bounds the memory of a row.
BLOCK = 1024


@dataclass(frozen=True)
class Contributions:
    """Of each feature to each output, and the largest standard error among them."""

    values: NDArray[np.float64]
    error: float = 0.0


def exact_evaluations(features: int) -> int:
    """Mixes per background row when every set of features is tried."""
    return int(2**features) - 2


def sampled_evaluations(features: int, permutations: int) -> int:
    """Mixes per background row when orders are drawn."""
    return permutations * (features - 1)


def exact(
    evaluate: Evaluate, start: NDArray[np.float64], end: NDArray[np.float64], features: int
) -> Contributions:
    """Try every set of features. `start` [rows, outputs]: the background's answers; `end`: ours."""
    masks, weights = _sets(features)
    rows, inner = len(start), masks[1:-1]
    worth = np.zeros((len(masks), len(end)))
    worth[0], worth[-1] = start.mean(axis=0), end
    block = max(1, BLOCK // max(1, len(inner)))
    for first in range(0, rows if len(inner) else 0, block):
        at = np.arange(first, min(first + block, rows))
        answers = evaluate(np.tile(inner, (len(at), 1)), np.repeat(at, len(inner)))
        worth[1:-1] += answers.reshape(len(at), len(inner), -1).sum(axis=0) / rows
    return Contributions(weights @ worth)


def sampled(
    evaluate: Evaluate,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    features: int,
    permutations: int,
    random: Generator,
) -> Contributions:
    """Draw orders in pairs, each with its reverse, the same number for every background row.

    So the contributions add up exactly, whatever is drawn.
    """
    rows, pairs = len(start), permutations // 2
    per_row = sampled_evaluations(features, permutations)
    values = np.zeros((features, len(end)))
    variance = np.zeros_like(values)
    taken = np.arange(1, features)[:, None]
    block = max(1, BLOCK // per_row)
    for first in range(0, rows, block):
        at = np.arange(first, min(first + block, rows))
        order = random.random((len(at), pairs, features)).argsort(axis=-1)
        # [rows, pairs, direction, features]: the place of each feature in an order.
        place = np.stack([order, features - 1 - order], axis=2)
        masks = place[..., None, :] < taken
        answers = evaluate(masks.reshape(-1, features), np.repeat(at, per_row))
        path = np.empty((len(at), pairs, 2, features + 1, len(end)))
        path[..., 0, :] = start[at][:, None, None]
        path[..., 1:-1, :] = answers.reshape(len(at), pairs, 2, features - 1, -1)
        path[..., -1, :] = end
        gains = np.take_along_axis(np.diff(path, axis=-2), place[..., None], axis=-2).mean(axis=2)
        values += gains.mean(axis=1).sum(axis=0)
        variance += gains.var(axis=1, ddof=1).sum(axis=0) / pairs
    return Contributions(values / rows, float(np.sqrt(variance.max())) / rows)


def additive(
    evaluate: Evaluate, anchor: NDArray[np.float64], offsets: NDArray[np.float64], features: int
) -> Contributions:
    """For answers that are a sum of one term per feature: a mix shows each term by itself.

    `anchor` is the answer of background row 0, `offsets` the means of `terms` over the background.
    """
    each = np.eye(features, dtype=bool)
    answers = evaluate(each, np.zeros(features, dtype=np.intp))
    return Contributions(answers - anchor - offsets)


@lru_cache(maxsize=4)
def _sets(features: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Every set of features [sets, features], and the weights [features, sets] of their worth."""
    numbers = np.arange(2**features)
    masks = (numbers[:, None] >> np.arange(features)) & 1 == 1
    whole = factorial(features)
    by_size = np.array(
        [factorial(size) * factorial(features - size - 1) / whole for size in range(features)] + [0]
    )
    sizes = masks.sum(axis=1)
    weights = np.where(masks.T, by_size[sizes - 1], -by_size[sizes])
    return masks, weights
