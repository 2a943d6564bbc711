"""The parity gate refuses an engine that answers differently, and nothing else.

What is expected comes from numpy and from the fitted estimator, never from the gate itself.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.errors import RequestError
from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.prediction import Prediction
from modelctl.packaging.parity import Parity, compare, encode

TOLERANCE = 1e-6


def classified(*rows: list[float], labels: str = "") -> Prediction:
    """Rows of class probabilities; the labels are the best classes unless others are given."""
    probabilities = np.array(rows, dtype=np.float64)
    best = "".join("abcdef"[at] for at in probabilities.argmax(axis=1))
    return Prediction([*(labels or best)], probabilities)


def compared(expected: Prediction, found: Prediction, *, regression: bool = False) -> Parity:
    parity = Parity(TOLERANCE, is_regression=regression)
    compare(parity, "sample", expected, found)
    return parity


def test_equal_answers_are_accepted() -> None:
    parity = compared(classified([0.2, 0.8], [0.9, 0.1]), classified([0.2, 0.8], [0.9, 0.1]))
    assert parity.refusal == ""
    assert (parity.rows, parity.label_mismatches, parity.ties) == ({"sample": 2}, 0, 0)
    assert parity.max_abs_diff == 0


def test_a_label_that_differs_is_refused_and_counted() -> None:
    given = classified([0.2, 0.8], [0.9, 0.1], [0.3, 0.7])
    parity = compared(given, classified([0.2, 0.8], [0.9, 0.1], [0.3, 0.7], labels="bba"))
    assert parity.label_mismatches == 2
    assert parity.max_abs_diff == 0
    assert "2 labels" in parity.refusal


def test_labels_alone_are_compared_where_there_are_no_probabilities() -> None:
    expected = Prediction(["a", "b", "c"], None)
    assert compared(expected, Prediction(["a", "b", "c"], None)).refusal == ""
    parity = compared(expected, Prediction(["a", "c", "b"], None))
    assert (parity.label_mismatches, bool(parity.refusal)) == (2, True)


def test_comparisons_add_up_and_one_bad_one_is_enough() -> None:
    parity = Parity(TOLERANCE, is_regression=False)
    wrong = classified([0.2, 0.8], [0.2, 0.8], labels="ab")
    compare(parity, "sample", classified([0.2, 0.8], [0.2, 0.8]), wrong)
    compare(parity, "perturbed", classified([0.5, 0.5]), classified([0.4, 0.6]))
    compare(parity, "thresholds", classified([0.1, 0.9]), classified([0.1, 0.9]))
    assert parity.rows == {"sample": 2, "perturbed": 1, "thresholds": 1}
    assert (parity.label_mismatches, parity.ties) == (1, 1)
    assert parity.max_abs_diff == pytest.approx(0.1)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([0.5, 0.5], id="two-classes"),
        pytest.param([0.5 + 1e-13, 0.5 - 1e-13], id="rounding-apart"),
        pytest.param([0.4, 0.2, 0.4], id="first-and-last-of-three"),
        pytest.param([1 / 3, 1 / 3, 1 / 3], id="all-three"),
    ],
)
def test_either_label_of_a_tie_is_right(row: list[float]) -> None:
    best = "abc"[max(range(len(row)), key=lambda at: (row[at], at))]
    parity = compared(classified(row, labels="a"), classified(row, labels=best))
    assert (parity.ties, parity.label_mismatches, parity.refusal) == (1, 0, "")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([0.5 + 1e-11, 0.5 - 1e-11], id="more-than-rounding-apart"),
        pytest.param([1e-12, 0.0], id="just-as-much-as-no-longer-is-rounding"),
        pytest.param([0.6, 0.2, 0.2], id="equal-but-not-the-best"),
        pytest.param([1.0], id="one-class-only"),
    ],
)
def test_what_is_no_tie_is_not_excused(row: list[float]) -> None:
    parity = compared(classified(row, labels="a"), classified(row, labels="b"))
    assert (parity.ties, parity.label_mismatches) == (0, 1)
    assert parity.refusal


def test_a_tie_excuses_its_own_row_only() -> None:
    rows = [[0.5, 0.5], [0.1, 0.9], [0.5, 0.5]]
    parity = compared(classified(*rows, labels="aba"), classified(*rows, labels="baa"))
    assert (parity.ties, parity.label_mismatches) == (2, 1)


@pytest.mark.parametrize(
    ("difference", "accepted"), [(0.9e-6, True), (1.1e-6, False), (math.nan, False)]
)
def test_probabilities_may_differ_by_the_tolerance(difference: float, *, accepted: bool) -> None:
    moved = classified([0.25 + difference, 0.75], labels="b")
    parity = compared(classified([0.25, 0.75]), moved)
    assert (parity.refusal == "") is accepted
    assert parity.label_mismatches == 0


@pytest.mark.parametrize(
    ("expected", "found", "accepted"),
    [
        pytest.param(0.5, 0.5 + 0.9e-6, True, id="small-by-value"),
        pytest.param(0.5, 0.5 + 1.1e-6, False, id="small-by-value-beyond"),
        pytest.param(-2e6, -2e6 - 1.8, True, id="large-by-share"),
        pytest.param(-2e6, -2e6 + 2.2, False, id="large-by-share-beyond"),
        pytest.param(3.0, math.nan, False, id="not-a-number"),
        pytest.param(3.0, math.inf, False, id="infinite"),
    ],
)
def test_numbers_may_differ_by_the_tolerance(
    expected: float, found: float, *, accepted: bool
) -> None:
    rows = Prediction([1.0, expected], None), Prediction([1.0, found], None)
    parity = compared(*rows, regression=True)
    assert (parity.refusal == "") is accepted
    # A number that differs a little is no label that differs.
    assert parity.label_mismatches == 0


def test_the_worst_of_several_comparisons_counts() -> None:
    parity = Parity(TOLERANCE, is_regression=True)
    for difference in (1e-3, 1e-9):
        compare(parity, "sample", Prediction([0.0], None), Prediction([difference], None))
    assert parity.max_abs_diff == pytest.approx(1e-3)
    probabilities = Parity(TOLERANCE, is_regression=False)
    for difference in (1e-3, 1e-9):
        other = classified([0.2 + difference, 0.8])
        compare(probabilities, "sample", classified([0.2, 0.8]), other)
    assert probabilities.max_abs_diff == pytest.approx(1e-3)


def test_the_manifest_says_what_was_found() -> None:
    parity = compared(classified([0.5, 0.5], [0.2, 0.8]), classified([0.5, 0.5], [0.2, 0.8]))
    parity.max_abs_diff, parity.threshold_share = 1.23456e-9, 0.5
    assert parity.as_manifest() == {
        "rows": {"sample": 2},
        "label_mismatches": 0,
        "ties": 1,
        "max_abs_diff": 1.2e-9,
        "tolerance": TOLERANCE,
        "threshold_share": 0.5,
        "refused": 0,
        "left_out": 0,
    }


def test_an_engine_that_answers_what_the_reference_refuses_is_refused() -> None:
    parity = compared(classified([0.5, 0.5]), classified([0.5, 0.5]))
    parity.refused = 3
    assert parity.refusal == ""
    parity.answered = 1
    assert parity.refusal == "answers 1 of 3 rows that scikit-learn refuses"


def test_answers_of_other_lengths_are_never_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        compared(Prediction(["a", "b"], None), Prediction(["a"], None))
    two = classified([0.2, 0.8], [0.9, 0.1])
    with pytest.raises(ValueError, match="zip"):
        compared(two, Prediction(["b"], two.probabilities))


@pytest.mark.parametrize("without", [0, 1])
def test_labels_are_compared_where_one_side_has_no_probabilities(without: int) -> None:
    sides = [classified([0.2, 0.8], [0.9, 0.1]), classified([0.2, 0.8], [0.9, 0.1], labels="bb")]
    sides[without] = Prediction(sides[without].values, None)
    parity = Parity(TOLERANCE, is_regression=False)
    for _ in range(2):
        compare(parity, "sample", *sides)
    assert parity.label_mismatches == 2


def test_a_row_that_could_not_be_sent_is_named_by_its_place() -> None:
    inputs = (Feature("x", "float", None, None, None, "refuse"),)
    contract = Contract(inputs, Output("regressor", "y", None, probabilities=False))
    assert encode([[1.0], [2.0]], contract).matrix.tolist() == [[1.0], [2.0]]
    with pytest.raises(RequestError) as refused:
        encode([[1.0], [None]], contract)
    assert [entry.loc for entry in refused.value.errors] == [("sample", 1, 0)]
