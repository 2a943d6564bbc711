"""The arithmetic of explanations on random games: the axioms that define Shapley's values."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.model import shapley

Array = NDArray[np.float64]
# Features, rows of the background, outputs, and the seed of a game.
GAMES = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), st.integers(0, 10**9))


class Game:
    """Worths drawn at random: [rows, sets, outputs], a set's number being its bits."""

    def __init__(self, features: int, rows: int, outputs: int, seed: int) -> None:
        self.features = features
        self.random = np.random.default_rng(seed)
        self.table = self.random.normal(size=(rows, 2**features, outputs))
        # The row itself has one answer, whatever background was taken away.
        self.table[:, -1] = self.table[0, -1]
        self.asked = 0

    def numbers(self, masks: NDArray[np.bool_]) -> NDArray[np.intp]:
        bits: NDArray[np.intp] = masks @ (1 << np.arange(self.features))
        return bits

    def evaluate(self, masks: NDArray[np.bool_], at: NDArray[np.intp]) -> Array:
        self.asked += len(masks)
        found: Array = self.table[at, self.numbers(masks)]
        return found

    @property
    def start(self) -> Array:
        return self.table[:, 0]

    @property
    def end(self) -> Array:
        found: Array = self.table[0, -1]
        return found

    def exact(self) -> Array:
        return shapley.exact(self.evaluate, self.start, self.end, self.features).values

    def sampled(self, permutations: int = 4, seed: int = 0) -> shapley.Contributions:
        random = np.random.default_rng(seed)
        return shapley.sampled(
            self.evaluate, self.start, self.end, self.features, permutations, random
        )


def formula(game: Game) -> Array:
    """Shapley's own words: the mean gain of each feature over all orders."""
    worth = game.table.mean(axis=0)
    total = np.zeros((game.features, worth.shape[1]))
    for order in itertools.permutations(range(game.features)):
        before = 0
        for feature in order:
            after = before | 1 << feature
            total[feature] += worth[after] - worth[before]
            before = after
    return total / math.factorial(game.features)


@given(GAMES)
@settings(max_examples=60, deadline=None)
def test_exact_values_are_those_of_the_formula(game: Any) -> None:
    one = Game(*game)
    np.testing.assert_allclose(one.exact(), formula(one), atol=1e-12)
    assert one.asked == shapley.exact_evaluations(one.features) * len(one.table)


@given(GAMES, st.sampled_from([4, 6, 10]))
@settings(max_examples=60, deadline=None)
def test_values_add_up_whatever_is_drawn(game: Any, permutations: int) -> None:
    one = Game(max(2, game[0]), *game[1:])
    found = one.sampled(permutations, game[3])
    gain = one.end - one.start.mean(axis=0)
    np.testing.assert_allclose(found.values.sum(axis=0), gain, atol=1e-12)
    expected = shapley.sampled_evaluations(one.features, permutations) * len(one.table)
    assert one.asked == expected


@given(GAMES)
@settings(max_examples=60, deadline=None)
def test_a_feature_that_changes_nothing_gets_nothing(game: Any) -> None:
    one = Game(max(2, game[0]), *game[1:])
    dummy = game[3] % one.features
    sets = np.arange(2**one.features)
    one.table = one.table[:, sets & ~(1 << dummy)]
    one.table[:, -1] = one.table[0, -1]
    one.table[:, -1 - (1 << dummy)] = one.table[:, -1]
    assert np.abs(one.exact()[dummy]).max() < 1e-12
    assert np.abs(one.sampled().values[dummy]).max() < 1e-12


@given(GAMES)
@settings(max_examples=60, deadline=None)
def test_two_features_that_do_the_same_get_the_same(game: Any) -> None:
    one = Game(max(2, game[0]), *game[1:])
    sets = np.arange(2**one.features)
    low = sets & 1
    high = sets >> 1 & 1
    swapped = (sets & ~3) | low << 1 | high
    one.table = (one.table + one.table[:, swapped]) / 2
    values = one.exact()
    np.testing.assert_allclose(values[0], values[1], atol=1e-12)


@given(GAMES)
@settings(max_examples=60, deadline=None)
def test_a_sum_of_terms_is_found_exactly_in_every_way(game: Any) -> None:
    features, rows, outputs, seed = game
    one = Game(max(2, features), rows, outputs, seed)
    features = one.features
    # The answer is a sum over the features: the row's term, or that of the background's row.
    own = one.random.normal(size=(features, outputs))
    theirs = one.random.normal(size=(rows, features, outputs))
    bits = (np.arange(2**features)[:, None] >> np.arange(features) & 1).astype(float)
    one.table = np.einsum("sf,fo->so", bits, own) + np.einsum("sf,rfo->rso", 1 - bits, theirs)
    expected = own - theirs.mean(axis=0)
    np.testing.assert_allclose(one.exact(), expected, atol=1e-12)
    drawn = one.sampled()
    np.testing.assert_allclose(drawn.values, expected, atol=1e-12)
    assert drawn.error < 1e-12
    offsets = (theirs - theirs[0]).mean(axis=0)
    found = shapley.additive(one.evaluate, one.start[0], offsets, features)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)


def test_drawn_values_have_no_bias_and_the_error_that_they_tell() -> None:
    game = Game(5, 6, 1, 7)
    expected = game.exact()
    draws = [game.sampled(6, seed) for seed in range(400)]
    values = np.stack([draw.values for draw in draws])
    spread = values.std(axis=0)
    # Of 400 draws the mean is within 5 of its own errors.
    assert (np.abs(values.mean(axis=0) - expected) < 5 * spread / np.sqrt(len(draws))).all()
    told = np.sqrt(np.mean([draw.error**2 for draw in draws]))
    # The largest of five errors; the estimate of a maximum is a little above the true one.
    assert 0.9 < told / spread.max() < 1.5


@pytest.mark.parametrize("permutations", [4, 8])
def test_many_features_stay_within_blocks(permutations: int) -> None:
    features, rows = 300, 3
    largest = []

    def evaluate(masks: NDArray[np.bool_], at: NDArray[np.intp]) -> Array:
        largest.append(len(masks))
        found: Array = masks.sum(axis=1, dtype=np.float64)[:, None] + at[:, None]
        return found

    start = np.arange(rows, dtype=np.float64)[:, None]
    end = np.array([float(features)])
    random = np.random.default_rng(0)
    found = shapley.sampled(evaluate, start, end, features, permutations, random)
    assert sum(largest) == rows * shapley.sampled_evaluations(features, permutations)
    assert max(largest) <= max(shapley.BLOCK, shapley.sampled_evaluations(features, permutations))
    np.testing.assert_allclose(found.values.sum(), features - 1.0)
