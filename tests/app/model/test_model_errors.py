"""An exception of the model says what is wrong, and neither the request's values nor training's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder

from app.model.model_errors import told

CITIES = ["Berlin", "Rome"]


def asked(city: str = "Oslo") -> pd.DataFrame:
    return pd.DataFrame({"city": [city], "age": [3]})


def raised_by(call: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the library raises
        call()
    assert isinstance(caught.value, Exception)
    return caught.value


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: LabelEncoder().fit(CITIES).transform(["Oslo"]), id="label encoder"),
        pytest.param(
            lambda: OrdinalEncoder().fit([[city] for city in CITIES]).transform([["Oslo"]]),
            id="encoder",
        ),
        pytest.param(lambda: {"Berlin": 1}["Oslo"], id="dictionary"),
        pytest.param(lambda: pd.to_datetime(asked()["city"], format="%Y"), id="date"),
        pytest.param(lambda: np.array(["Oslo"], dtype=object).astype(float), id="number"),
        pytest.param(lambda: CITIES.index("Oslo"), id="index"),
    ],
)
def test_no_value_is_echoed(call: Any) -> None:
    error = raised_by(call)
    for given in (asked(), asked().to_numpy(), asked()["city"], ["Oslo"]):
        text = told(error, given)
        assert text.startswith(type(error).__name__)
        assert "Oslo" not in text
        assert "Berlin" not in text


@pytest.mark.parametrize(
    "message",
    [
        # Of patsy, and of steps that people write.
        "observation with value 'Oslo' does not match any of the expected levels "
        "(expected: ['Berlin', 'Rome'])",
        "unknown city 'Oslo': expected one of 'Berlin', 'Rome'",
        'unknown city "Oslo": use "Berlin" or "Rome"',
        "unknown city Oslo: expected {'Berlin': 1, 'Rome': 2}",
        "unknown code 7: expected one of [1, 2, Berlin]",
        "bad row\nStack trace:\n  [bt] (0) /venv/lib/python/Berlin.so(+0x11031e)",
    ],
)
def test_neither_training_texts_nor_paths_are_told(message: str) -> None:
    text = told(ValueError(message), asked())
    assert not any(secret in text for secret in (*CITIES, "Oslo", "/venv"))


def test_the_feature_is_named_in_the_place_of_its_value() -> None:
    assert told(KeyError("Oslo"), asked()) == "KeyError: <city>"


def test_what_is_no_value_stays() -> None:
    error = ValueError("could not convert string to float: 'Oslo' (format '%d')")
    assert told(error, asked()) == (
        "ValueError: could not convert string to float: <city> (format '%d')"
    )


def test_an_exception_without_a_text_is_called_by_its_class() -> None:
    assert told(AssertionError(), asked()) == "AssertionError"
