"""Code that no published library has is found wherever an estimator keeps it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelctl.packaging.custom_code import find_custom_code


def scaled(values: Any, factor: float = 2.0) -> Any:
    return np.asarray(values) * factor


class Scale:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def up(self, values: Any) -> Any:
        return np.asarray(values) * self.factor


@pytest.mark.parametrize(
    ("function", "is_own"),
    [
        pytest.param(scaled, True, id="function"),
        pytest.param(functools.partial(scaled, factor=3.0), True, id="partial"),
        pytest.param(Scale(2.0).up, True, id="method"),
        pytest.param(np.log1p, False, id="numpy"),
        pytest.param(functools.partial(np.round, decimals=2), False, id="partial-of-numpy"),
    ],
)
def test_a_function_is_found_behind_every_wrapper(function: Any, *, is_own: bool) -> None:
    targets = np.arange(1.0, 21.0).reshape(10, 2)
    steps = make_pipeline(FunctionTransformer(function), Ridge())
    fitted = MultiOutputRegressor(steps).fit(np.arange(1.0, 31.0).reshape(10, 3), targets)
    assert find_custom_code(fitted) == ([__name__] if is_own else [])


def test_the_functions_of_several_transformed_targets_are_found() -> None:
    model = TransformedTargetRegressor(
        LinearRegression(), func=scaled, inverse_func=functools.partial(scaled, factor=0.5)
    )
    fitted = model.fit(np.arange(1.0, 31.0).reshape(10, 3), np.arange(1.0, 21.0).reshape(10, 2))
    assert find_custom_code(fitted) == [__name__]
