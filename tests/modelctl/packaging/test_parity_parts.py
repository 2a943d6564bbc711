"""The parity gate compares every part: each target's label, each score, each number of a vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from app.model.contract import Output, Target
from app.model.prediction import Prediction
from modelctl.packaging.parity import NotComparableError, Parity, compare

TOLERANCE = 1e-6
NUMBERS = Output(
    "regressor", "a, b", None, probabilities=False, targets=(Target("a", None), Target("b", None))
)
QUESTIONS = Output(
    "classifier",
    "a, b",
    None,
    probabilities=True,
    targets=(Target("a", (0, 1)), Target("b", ("x", "y", "z"))),
)
VECTOR = Output("transformer", "prediction", None, probabilities=False, width=3)
DECISION = Output("classifier", "y", ("no", "yes"), probabilities=False, scores="decision_function")
THREE = Output(
    "classifier", "y", ("a", "b", "c"), probabilities=False, scores="decision_function", width=3
)


def compared(output: Output, expected: Prediction, found: Prediction) -> Parity:
    parity = Parity.of(output, TOLERANCE)
    compare(parity, "sample", expected, found)
    return parity


@pytest.mark.parametrize("wrong", [1e-3, math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_every_target_of_a_regressor_is_compared(wrong: float, place: int) -> None:
    right = Prediction([{"a": 1.0, "b": 2.0}] * 3, None)
    moved = [dict(row) for row in right.values]
    moved[1]["ab"[place]] += wrong
    assert compared(NUMBERS, right, right).refusal == ""
    assert compared(NUMBERS, right, Prediction(moved, None)).refusal


@pytest.mark.parametrize("wrong", [1e-3, math.nan])
@pytest.mark.parametrize("place", [0, 2])
def test_every_number_of_a_vector_is_compared(wrong: float, place: int) -> None:
    right = Prediction([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], None)
    moved = [list(row) for row in right.values]
    moved[1][place] += wrong
    assert compared(VECTOR, right, right).refusal == ""
    assert compared(VECTOR, right, Prediction(moved, None)).refusal


def questions(first: list[float], second: list[float], a: int = 0, b: str = "x") -> Prediction:
    return Prediction([{"a": a, "b": b}], np.array([[*first, *second]]))


def test_the_label_of_every_target_is_compared() -> None:
    shares = ([0.9, 0.1], [0.8, 0.1, 0.1])
    for other in (questions(*shares, a=1), questions(*shares, b="z")):
        parity = compared(QUESTIONS, questions(*shares), other)
        assert parity.label_mismatches == 1
        assert "1 labels" in parity.refusal


def test_a_tie_excuses_the_label_of_its_own_target_only() -> None:
    tied = ([0.5, 0.5], [0.8, 0.1, 0.1])
    parity = compared(QUESTIONS, questions(*tied), questions(*tied, a=1))
    assert (parity.ties, parity.refusal) == (1, "")
    parity = compared(QUESTIONS, questions(*tied), questions(*tied, b="y"))
    assert (parity.ties, parity.label_mismatches) == (1, 1)


def test_the_probabilities_of_the_last_target_are_compared() -> None:
    right = questions([0.9, 0.1], [0.8, 0.1, 0.1])
    moved = questions([0.9, 0.1], [0.8, 0.1, 0.1 + 2e-6])
    assert compared(QUESTIONS, right, moved).max_abs_diff == pytest.approx(2e-6)


def decided(*scores: float, labels: str = "ny") -> Prediction:
    values = [{"n": "no", "y": "yes"}[label] for label in labels]
    return Prediction(values, None, np.array(scores))


@pytest.mark.parametrize(
    ("difference", "accepted"), [(0.0, True), (0.9e-6, True), (1.1e-6, False), (math.nan, False)]
)
def test_decision_values_are_compared(difference: float, *, accepted: bool) -> None:
    parity = compared(DECISION, decided(-0.5, 0.5), decided(-0.5, 0.5 + difference))
    assert (parity.refusal == "") is accepted
    assert parity.label_mismatches == 0


def test_large_decision_values_differ_by_share() -> None:
    assert not compared(DECISION, decided(-2e6, 2e6), decided(-2e6, 2e6 + 1.8)).refusal
    assert compared(DECISION, decided(-2e6, 2e6), decided(-2e6, 2e6 + 2.2)).refusal


def test_a_decision_of_zero_excuses_either_label() -> None:
    parity = compared(DECISION, decided(0.0, 0.5), decided(0.0, 0.5, labels="yy"))
    assert (parity.ties, parity.refusal) == (1, "")
    parity = compared(DECISION, decided(-1e-9, 0.5), decided(-1e-9, 0.5, labels="yy"))
    assert (parity.ties, parity.label_mismatches) == (0, 1)


def test_the_two_best_of_several_decisions_may_tie() -> None:
    scores = np.array([[1.0, 1.0, -1.0], [1.0, 0.9, -1.0]])
    right = Prediction(["a", "a"], None, scores)
    parity = compared(THREE, right, Prediction(["b", "a"], None, scores))
    assert (parity.ties, parity.refusal) == (1, "")
    parity = compared(THREE, right, Prediction(["a", "b"], None, scores))
    assert parity.label_mismatches == 1


@pytest.mark.parametrize("part", ["probabilities", "scores"])
def test_one_number_is_never_stretched_over_a_row(part: str) -> None:
    wide, narrow = np.full((2, 2), 0.5), np.full((2, 1), 0.5)
    both = [
        Prediction(["a", "a"], array)
        if part == "probabilities"
        else Prediction(["a", "a"], None, array)
        for array in (wide, narrow)
    ]
    with pytest.raises(ValueError, match="shapes differ"):
        compared(THREE, *both)


@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_a_list_of_one_answer_is_not_the_answer(kind: Any) -> None:
    classes = None if kind == "regressor" else (0, 1)
    parity = Parity.of(Output(kind, "y", classes, probabilities=False), 1e-6)
    with pytest.raises(NotComparableError, match="is a list instead of a int"):
        compare(parity, "sample", Prediction([1, 0], None), Prediction([[1], [0]], None))
