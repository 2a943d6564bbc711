"""An exception of the model says what is wrong, and neither the request's values nor training's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder
from xgboost import XGBRegressor

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
        assert type(error).__name__ not in text
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
    assert told(KeyError("Oslo"), asked()) == "unknown value <city>"
    assert told(KeyError(3), asked()) == "unknown value"


def test_what_is_no_value_stays() -> None:
    error = ValueError("could not convert string to float: 'Oslo' (format '%d')")
    assert told(error, asked()) == "could not convert string to float: <city> (format '%d')"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "[17:13:01] /workspace/src/data/ordinal.h:135: Found a category not in the training "
            "set for the 1th (0-based) column: `Oslo`",
            "Found a category not in the training set for the 1th (0-based) column: <city>",
        ),
        (
            "[09:00:00] C:\\buildkite\\src\\learner.cc:1480: Check failed: num",
            "Check failed: num",
        ),
        ("[LightGBM] [Fatal] The number of features in data (3) is not the same", None),
        ("catboost/libs/data/features.cpp:2246: Bad value for num_feature[non_default=0]", None),
        ("/src/catboost/catboost/libs/model/model.cpp:893: bad row", "bad row"),
    ],
)
def test_native_libraries_tell_no_place_in_their_source(message: str, text: str | None) -> None:
    """The forms in which XGBoost, LightGBM and CatBoost write their errors."""
    found = told(RuntimeError(message), asked())
    assert found == (text or found)
    assert not any(part in found for part in ("/", "\\", ".cpp", ".h:", "[LightGBM]", "[17:"))


BOOSTERS: dict[str, Callable[[], Any]] = {
    "lightgbm": lambda: LGBMRegressor(verbose=-1, n_estimators=2),
    "xgboost": lambda: XGBRegressor(enable_categorical=True, n_estimators=2),
    "catboost": lambda: CatBoostRegressor(
        cat_features=["city"], verbose=0, iterations=2, allow_writing_files=False
    ),
}
CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "type": lambda frame: frame.assign(age="old"),
    "columns": lambda frame: frame[["city"]],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", BOOSTERS)
def test_what_a_booster_raises_is_told_in_words(name: str, change: str) -> None:
    """Real errors: no class, no place in its source, no value of the request or of training."""
    frame = pd.DataFrame({"city": pd.Categorical([*CITIES] * 20), "age": np.arange(40.0)})
    model = BOOSTERS[name]().fit(frame, frame["age"] * 2)
    given = CHANGES[change](frame)
    error = raised_by(lambda: model.predict(given))
    text = told(error, given)
    assert text
    assert type(error).__name__ not in text
    assert not re.search(r"\.(cpp|cc|h|py)\b|/|\\|^\[|\bOslo\b|\bBerlin\b", text), text


def test_an_exception_without_a_text_says_that() -> None:
    assert told(AssertionError(), asked()) == "no reason given"
