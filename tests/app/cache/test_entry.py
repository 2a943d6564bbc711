"""An entry comes back as the prediction it was, or it is none."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.entry import TAG_BYTES, Entries, EntryError
from app.model.contract import Output, Target
from app.model.prediction import Prediction

KEY, OTHER_KEY = b"k" * 32, b"l" * 32
SECRET = b"s" * 32
CLASSIFIER = Output("classifier", "y", ("setosa", "virginica"), probabilities=True)
REGRESSOR = Output("regressor", "y", None, probabilities=False)
OUTPUTS: dict[str, tuple[Output, Prediction]] = {
    "classes": (
        CLASSIFIER,
        Prediction(["setosa", "virginica"], np.array([[0.9, 0.1], [1 / 3, 2 / 3]])),
    ),
    "whole classes and scores": (
        Output("classifier", "y", (0, 1, 2), probabilities=False, scores="decision_function",
               width=3),
        Prediction([2, 0], None, np.array([[1.0, -0.0, 5e-324], [1e300, 2.0, 3.0]])),
    ),
    "booleans": (
        Output("classifier", "y", (False, True), probabilities=False, scores="decision_function"),
        Prediction([True, False], None, np.array([0.5, -1.5])),
    ),
    "numbers": (REGRESSOR, Prediction([0.1 + 0.2, -0.0], None)),
    "whole numbers": (REGRESSOR, Prediction([3, -4], None)),
    "an anomaly": (
        Output("anomaly", "", (-1, 1), probabilities=False, scores="score_samples"),
        Prediction([-1, 1], None, np.array([0.25, 0.75])),
    ),
    "a vector": (
        Output("transformer", "", None, probabilities=False, width=2),
        Prediction([[1.0, 2.5], [-0.0, 1e-9]], None),
    ),
    "two targets": (
        Output("classifier", "", None, probabilities=True,
               targets=(Target("b", ("x", "y")), Target("a", (1, 2, 3)))),
        Prediction([{"b": "x", "a": 3}, {"b": "y", "a": 1}], np.full((2, 5), 0.5)),
    ),
    "two numbers": (
        Output("regressor", "", None, probabilities=False,
               targets=(Target("b", None), Target("a", None))),
        Prediction([{"b": 1.5, "a": 2.0}, {"b": 0.0, "a": -1.0}], None),
    ),
}  # fmt: skip


def same(one: Prediction, other: Prediction) -> bool:
    """In every bit, type and order."""

    def told(found: Prediction) -> Any:
        arrays = [found.probabilities, found.scores]
        told = [None if each is None else (each.shape, each.tobytes()) for each in arrays]
        return repr(found.values), told

    return bool(told(one) == told(other))


@pytest.fixture(params=OUTPUTS)
def case(request: pytest.FixtureRequest) -> tuple[Output, Prediction]:
    return OUTPUTS[request.param]


@pytest.mark.parametrize("secret", [b"", SECRET], ids=["open", "secret"])
def test_a_prediction_comes_back_as_it_was(case: tuple[Output, Prediction], secret: bytes) -> None:
    output, prediction = case
    entries = Entries(output, secret)
    sealed = entries.seal(KEY, entries.encode(prediction))
    again = Entries(output, secret)
    assert same(again.decode(again.open(KEY, sealed), 2), prediction)


def test_what_comes_back_cannot_be_changed_by_who_gets_it() -> None:
    output, prediction = OUTPUTS["classes"]
    entries = Entries(output)
    found = entries.decode(entries.encode(prediction), 2)
    assert found.probabilities is not None
    with pytest.raises(ValueError, match="read-only"):
        found.probabilities[0, 0] = 1.0


def test_every_changed_bit_and_every_cut_is_seen(case: tuple[Output, Prediction]) -> None:
    output, prediction = case
    entries = Entries(output)
    sealed = entries.seal(KEY, entries.encode(prediction))
    for position in range(len(sealed)):
        for bit in (1, 0x80):
            changed = bytearray(sealed)
            changed[position] ^= bit
            with pytest.raises(EntryError):
                entries.open(KEY, bytes(changed))
        with pytest.raises(EntryError):
            entries.open(KEY, sealed[:position])
    with pytest.raises(EntryError):
        entries.open(KEY, sealed + b"\0")


def test_an_entry_is_of_its_key_alone() -> None:
    output, prediction = OUTPUTS["classes"]
    entries = Entries(output)
    with pytest.raises(EntryError):
        entries.open(OTHER_KEY, entries.seal(KEY, entries.encode(prediction)))


def test_with_a_secret_nobody_else_makes_an_entry() -> None:
    output, prediction = OUTPUTS["classes"]
    ours, theirs = Entries(output, SECRET), Entries(output)
    content = theirs.encode(prediction)
    for forged in (
        theirs.seal(KEY, content),
        Entries(output, b"t" * 32).seal(KEY, content),
        hashlib.blake2b(SECRET + KEY + content, digest_size=TAG_BYTES).digest() + content,
    ):
        with pytest.raises(EntryError):
            ours.open(KEY, forged)


def packed(*parts: Any) -> bytes:
    return msgspec.msgpack.encode(parts)


def floats(*numbers: float) -> bytes:
    return np.array(numbers, dtype="<f8").tobytes()


GOOD = floats(0.5, 0.5)


@pytest.mark.parametrize(
    ("output", "content"),
    [
        pytest.param(CLASSIFIER, packed(["versicolor"], GOOD, None), id="no class"),
        pytest.param(CLASSIFIER, packed([0], GOOD, None), id="an index"),
        pytest.param(CLASSIFIER, packed([None], GOOD, None), id="nothing"),
        pytest.param(CLASSIFIER, packed([["setosa"]], GOOD, None), id="a list"),
        pytest.param(CLASSIFIER, packed([{}], GOOD, None), id="a map"),
        pytest.param(CLASSIFIER, packed([], b"", None), id="too few rows"),
        pytest.param(CLASSIFIER, packed(["setosa"] * 2, GOOD * 2, None), id="too many rows"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD[:-1], None), id="cut numbers"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD + GOOD, None), id="more numbers"),
        pytest.param(CLASSIFIER, packed(["setosa"], None, None), id="no probabilities"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD, GOOD), id="scores"),
        pytest.param(CLASSIFIER, packed(["setosa"], floats(0.5, np.nan), None), id="NaN"),
        pytest.param(CLASSIFIER, packed(["setosa"], floats(0.5, np.inf), None), id="infinity"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD), id="too few parts"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD, None, 1), id="too many parts"),
        pytest.param(CLASSIFIER, packed(["setosa"], GOOD, None) + b"x", id="more behind it"),
        pytest.param(CLASSIFIER, b"\x80\x04\x95pickle", id="a pickle"),
        pytest.param(CLASSIFIER, b"\x91" * 5000, id="very deep"),
        pytest.param(CLASSIFIER, b"", id="empty"),
        pytest.param(REGRESSOR, packed([True], None, None), id="true is no number"),
        pytest.param(REGRESSOR, packed(["1.0"], None, None), id="a text is no number"),
        pytest.param(REGRESSOR, packed([float("nan")], None, None), id="NaN is no answer"),
        pytest.param(OUTPUTS["booleans"][0], packed([1], None, floats(0.5)), id="1 is not true"),
        pytest.param(
            OUTPUTS["whole classes and scores"][0],
            packed([1.0], None, floats(1, 2, 3)),
            id="1.0 is not 1",
        ),
        pytest.param(
            OUTPUTS["two numbers"][0], packed([{"a": 1.0, "b": 2.0}], None, None), id="order"
        ),
        pytest.param(OUTPUTS["two numbers"][0], packed([{"b": 1.0}], None, None), id="a target"),
        pytest.param(OUTPUTS["a vector"][0], packed([[1.0]], None, None), id="short vector"),
        pytest.param(OUTPUTS["a vector"][0], packed([[1, 2]], None, None), id="whole vector"),
    ],
)
def test_what_the_contract_does_not_have_is_no_entry(output: Output, content: bytes) -> None:
    with pytest.raises(EntryError):
        Entries(output).decode(content, 1)


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(OUTPUTS)))
def test_any_bytes_are_an_entry_or_are_not(content: bytes, name: str) -> None:
    entries = Entries(OUTPUTS[name][0])
    try:
        found = entries.decode(content, 1)
    except EntryError:
        return
    assert entries.encode(found)


@pytest.mark.parametrize(
    "prediction",
    [
        pytest.param(Prediction(["versicolor"], np.array([[1.0, 0.0]])), id="no class"),
        pytest.param(Prediction(["setosa"], np.array([[1.0]])), id="another shape"),
        pytest.param(Prediction(["setosa"], np.array([[1, 0]], dtype="<f4")), id="other numbers"),
        pytest.param(Prediction(["setosa"], None), id="none"),
        pytest.param(Prediction([np.str_("setosa")], np.array([[1.0, 0.0]])), id="a NumPy scalar"),
    ],
)
def test_what_would_not_come_back_is_not_written(prediction: Prediction) -> None:
    with pytest.raises(EntryError):
        Entries(CLASSIFIER).encode(prediction)


def test_a_number_that_no_entry_holds_is_not_written() -> None:
    with pytest.raises(EntryError):
        Entries(REGRESSOR).encode(Prediction([2**70], None))
