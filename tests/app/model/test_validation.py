"""Validation by itself: rows become exactly the numbers that the contract promises, or errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from app.errors import FieldError, RequestError
from app.model.contract import Contract, Output
from app.model.converters import UnusableError, json_type
from app.model.feature import Feature
from app.model.validation import Batch, Validator, contract_error

LARGEST = float(np.finfo(np.float32).max)
BEYOND = math.nextafter(LARGEST, math.inf)
KINDS = ("red", "green", "blue")


def feature(name: str, dtype: Any, *, missing: Any = "refuse", text: bool = False) -> Feature:
    categories = KINDS if dtype == "string" and not text else None
    return Feature(name, dtype, None, None, categories, missing)


SIZE, COUNT = feature("size", "float"), feature("count", "integer")
OPEN, KIND = feature("open", "boolean"), feature("kind", "string")
NOTE = feature("note", "string", text=True)
ALL = (SIZE, COUNT, OPEN, KIND)


def validator(*features: Feature) -> Validator:
    output = Output("regressor", "y", None, probabilities=False)
    return Validator(Contract(features or ALL, output))


def batch(rows: list[Any], *features: Feature, limit: int = 100) -> Batch:
    places: list[tuple[str | int, ...]] = [("instances", at) for at in range(len(rows))]
    return validator(*features).batch(rows, places, limit)


def errors(rows: list[Any], *features: Feature, limit: int = 100) -> list[tuple[Any, ...]]:
    with pytest.raises(RequestError) as refused:
        batch(rows, *features, limit=limit)
    assert (refused.value.status, refused.value.kind) == (422, "contract")
    return [(entry.loc, entry.msg) for entry in refused.value.errors]


def test_rows_by_position_and_by_name_are_the_same_numbers() -> None:
    by_name = {"kind": "blue", "open": True, "count": -7, "size": 2.5}
    found = batch([[1.5, 3, False, "red"], by_name])
    assert found.matrix.tolist() == [[1.5, 3.0, 0.0, 0.0], [2.5, -7.0, 1.0, 2.0]]
    assert found.matrix.dtype == np.float64
    assert (found.text, len(found)) == ({}, 2)


@pytest.mark.parametrize(
    ("entry", "value", "number"),
    [
        *[(SIZE, value, float(value)) for value in (0, -1, 0.1, LARGEST, -LARGEST, 2**60)],
        *[(COUNT, value, float(value)) for value in (0, -3, 4.0, 2**53, -(2**53), float(2**53))],
        *[(OPEN, True, 1.0), (OPEN, False, 0.0)],
        *[(KIND, kind, float(at)) for at, kind in enumerate(KINDS)],
    ],
)
def test_a_value_becomes_its_number(entry: Feature, value: Any, number: float) -> None:
    (found,) = batch([[value]], entry).matrix[0].tolist()
    assert found == number
    assert type(found) is float


def _any(*values: Any) -> tuple[Any, ...]:
    return values


WRONG: list[tuple[Feature, Any, str]] = [
    *[(SIZE, value, "number") for value in _any("1", True, [1], {})],
    *[(SIZE, value, "in the range of float32") for value in _any(BEYOND, 10**400)],
    (SIZE, -BEYOND, "in the range of float32"),
    *[(COUNT, value, "expected an integer") for value in _any("1", True, 1.5, [1], {})],
    *[(COUNT, value, "2^53") for value in _any(2**53 + 1, -(2**53) - 1, 2.0**54)],
    *[(OPEN, value, "true or false") for value in _any(0, 1, "true", 1.0, [])],
    *[(KIND, value, "string") for value in _any(0, True, ["red"], {})],
    *[(KIND, value, "unknown category") for value in _any("Red", "", "purple")],
    *[(NOTE, value, "string") for value in _any(1, False, ["a"], {})],
]


@pytest.mark.parametrize(("entry", "value", "text"), WRONG)
def test_a_value_that_does_not_fit_is_named(entry: Feature, value: Any, text: str) -> None:
    ((place, found),) = errors([[value]], entry)
    assert place == ("instances", 0, 0)
    assert text in found
    ((place, by_name),) = errors([{entry.name: value}], entry)
    assert (place, by_name) == (("instances", 0, entry.name), found)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *[("x", "a string"), (True, "a boolean"), ([], "a list"), ({}, "an object")],
        *[(None, "null"), (1, "a number"), (1.5, "a number")],
    ],
)
def test_a_type_has_its_json_name(value: Any, name: str) -> None:
    assert json_type(value) == name


@pytest.mark.parametrize("entry", [*ALL, NOTE])
def test_a_missing_value_is_allowed_or_not(entry: Feature) -> None:
    ((place, text),) = errors([[None]], entry)
    assert place == ("instances", 0, 0)
    assert "null" in text
    allowed = Feature(entry.name, entry.dtype, None, None, entry.categories, "allow")
    found = batch([[None]], allowed)
    assert np.isnan(found.matrix).all()
    assert found.text == ({entry.name: [None]} if entry.is_text else {})


def test_text_travels_beside_the_numbers() -> None:
    other = feature("title", "string", text=True, missing="allow")
    found = batch([["hello", 1.5, None], {"title": "t", "note": "", "size": 2}], NOTE, SIZE, other)
    assert found.text == {"note": ["hello", ""], "title": [None, "t"]}
    assert found.matrix[:, 1].tolist() == [1.5, 2.0]
    # The code of a text that is no category, and a missing value.
    assert found.matrix[:, 0].tolist() == [-1.0, -1.0]
    assert np.isnan(found.matrix[:, 2]).tolist() == [True, False]


def test_valid_rows_are_a_batch_and_others_none() -> None:
    rows = [[1.5, 3, False, "red"], [2.5, -7, True, "blue"]]
    found = validator().valid_rows(rows)
    assert found is not None
    assert found.matrix.tolist() == batch(rows).matrix.tolist()
    assert found.text == {}
    noted = validator(NOTE, SIZE).valid_rows([["hello", 1]])
    assert noted is not None
    assert noted.text == {"note": ["hello"]}
    for wrong in (["x", 3, False, "red"], rows[0][:3], [*rows[0], 1]):
        assert validator().valid_rows([rows[0], wrong]) is None


def test_every_wrong_value_of_every_row_is_named() -> None:
    rows = [["x", 1, True, "red"], [1, 1, True, "red"], [1, 0.5, 3, "pink"]]
    found = errors(rows)
    assert [place for place, _ in found] == [
        *[("instances", 0, 0), ("instances", 2, 1), ("instances", 2, 2), ("instances", 2, 3)]
    ]


def test_what_the_model_has_no_use_for_is_told_with_feature_and_bin() -> None:
    with pytest.raises(RequestError) as refused:
        batch([[None, 1, True, "pink"], {"size": 1, "count": None, "open": 1, "kind": "pink"}])
    assert [entry.unusable for entry in refused.value.errors] == [
        *[("size", "missing"), ("kind", "unseen"), ("count", "missing"), None, ("kind", "unseen")]
    ]
    with pytest.raises(RequestError) as refused:
        batch([{"size": None, "open": True, "kind": "pink"}])
    unusable = [entry.unusable for entry in refused.value.errors]
    assert unusable == [None, ("size", "missing"), ("kind", "unseen")]
    error = UnusableError("why", "unseen")
    assert (str(error), error.bin) == ("why", "unseen")


@pytest.mark.parametrize("row", [[], [1.0], [1.0, 1, True], [1.0, 1, True, "red", 1]])
def test_a_row_of_another_length_is_told_as_one(row: list[Any]) -> None:
    ((place, text),) = errors([row])
    assert place == ("instances", 0)
    assert text == f"expected 4 values, found {len(row)}"


@pytest.mark.parametrize("row", [None, 1, "row", True])
def test_what_is_no_row_is_told_as_one(row: Any) -> None:
    ((place, text),) = errors([row])
    assert place == ("instances", 0)
    assert text.endswith(json_type(row))
    assert "list" in text


def test_names_are_missing_unknown_or_wrong_all_at_once() -> None:
    row = {"size": "x", "colour": 1, "open": True, "kind": "pink"}
    found = errors([row, {**row, "size": 1, "kind": "red"}])
    first = [
        (("instances", 0, "count"), "missing"),
        (("instances", 0, "colour"), "unknown feature"),
        (("instances", 0, "size"), "expected a number, found a string"),
        (("instances", 0, "kind"), "unknown category: expected one of red, green, blue"),
    ]
    assert found[:4] == first
    assert found[4:] == [
        (("instances", 1, "count"), "missing"),
        (("instances", 1, "colour"), "unknown feature"),
    ]


def test_as_many_names_that_are_others_are_not_taken_for_ours() -> None:
    row = {"size": 1, "count": 1, "open": True, "sort": "red"}
    assert errors([row]) == [
        (("instances", 0, "kind"), "missing"),
        (("instances", 0, "sort"), "unknown feature"),
    ]


def test_a_long_unknown_name_is_cut() -> None:
    row = {"size": 1, "count": 1, "open": True, "kind": "red", "n" * 500: 1}
    assert errors([row]) == [(("instances", 0, "n" * 100), "unknown feature")]


GOOD = [1.0, 1, True, "red"]


@pytest.mark.parametrize(("count", "fits"), [(1, True), (3, True), (4, False)])
def test_rows_up_to_the_limit(count: int, *, fits: bool) -> None:
    if fits:
        assert len(batch([GOOD] * count, limit=3)) == count
        return
    text = "expected 1 to 3 rows, found 4: send fewer at a time, or set MAX_BATCH_ROWS"
    assert errors([GOOD] * count, limit=3) == [(("instances",), text)]


def test_too_many_rows_have_a_reason_and_none_has_not() -> None:
    places: list[tuple[str | int, ...]] = [("rows", 0)]
    noted = [FieldError(("x",), "noted before")]
    with pytest.raises(RequestError) as many:
        validator().batch([GOOD] * 2, places, 1, noted)
    assert many.value.reason == "too-many-rows"
    assert [entry.loc for entry in many.value.errors] == [("x",), ("rows",)]
    with pytest.raises(RequestError) as none:
        validator().batch([], [], 1)
    assert none.value.reason == ""
    assert [entry.loc for entry in none.value.errors] == [("instances",)]
    assert none.value.errors[0].msg == "expected 1 to 1 rows, found 0"


def test_what_was_noted_before_comes_first_and_refuses() -> None:
    noted = [FieldError(("x",), "noted before")]
    with pytest.raises(RequestError) as refused:
        validator().batch([["x", 1, True, "red"]], [("r", 0)], 9, noted)
    assert [entry.loc for entry in refused.value.errors] == [("x",), ("r", 0, 0)]
    with pytest.raises(RequestError):
        validator().batch([GOOD], [("r", 0)], 9, noted)
    assert len(noted) == 1


def test_rows_and_places_belong_together() -> None:
    with pytest.raises(ValueError, match="zip"):
        validator().batch([GOOD, GOOD], [("r", 0)], 9)


def test_a_column_is_checked_value_by_value() -> None:
    found: list[FieldError] = []
    values = validator().column("kind", ["red", "pink", 1, "blue"], lambda at: ("in", at), found)
    assert values == [0.0, 2.0]
    assert [(entry.loc, entry.unusable) for entry in found] == [
        (("in", 1), ("kind", "unseen")),
        (("in", 2), None),
    ]


def test_a_missing_value_of_a_column_is_nan_and_of_text_none() -> None:
    allowed = [feature(entry.name, entry.dtype, missing="allow") for entry in (SIZE, KIND)]
    made = validator(*allowed, feature("note", "string", missing="allow", text=True))
    found: list[FieldError] = []
    for name in ("size", "kind"):
        (value,) = made.column(name, [None], lambda at: (at,), found)
        assert math.isnan(value)
    assert made.column("note", [None, "a"], lambda at: (at,), found) == [None, "a"]
    assert found == []


def test_columns_are_put_together_as_rows() -> None:
    found = validator().assemble([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0], [2.0, 0.0]])
    assert found.matrix.tolist() == [[1.0, 3.0, 0.0, 2.0], [2.0, 4.0, 1.0, 0.0]]
    assert found.matrix.dtype == np.float64
    with_text = validator(SIZE, NOTE).assemble([[1.0, 2.0], ["a", None]])
    assert with_text.text == {"note": ["a", None]}
    assert with_text.matrix[:, 0].tolist() == [1.0, 2.0]
    assert with_text.matrix[0, 1] == -1.0
    assert np.isnan(with_text.matrix[1, 1])
    with pytest.raises(ValueError, match="zip"):
        validator().assemble([[1.0], [1.0, 2.0], [0.0], [0.0]])


@pytest.mark.parametrize(("count", "listed"), [(1, 1), (2, 2), (100, 100), (101, 100), (500, 100)])
def test_an_answer_lists_a_hundred_mistakes_and_counts_all(count: int, listed: int) -> None:
    error = contract_error([FieldError(("a", at), f"wrong {at}") for at in range(count)])
    assert (error.status, error.kind) == (422, "contract")
    assert error.title
    assert [entry.loc for entry in error.errors] == [("a", at) for at in range(listed)]
    more = f" (and {count - 1} more)" if count > 1 else ""
    assert error.detail == f"a.0: wrong 0{more}"


def test_a_mistake_without_a_place_is_the_bodys() -> None:
    assert contract_error([FieldError((), "wrong")]).detail == "body: wrong"


def test_twenty_categories_are_listed() -> None:
    names = tuple(f"c{at:02}" for at in range(21))
    for shown, dots in ((20, ""), (21, ", ...")):
        entry = Feature("kind", "string", None, None, names[:shown], "refuse")
        ((_, text),) = errors([["x"]], entry)
        assert text == f"unknown category: expected one of {', '.join(names[:20])}{dots}"
