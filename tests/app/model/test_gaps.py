"""A row is answered the same whatever its neighbours lack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.sklearn_engine import SklearnEngine
from app.model.validation import Validator


class Spelled(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Sees whether a number is whole: 2 has one character, 2.0 three."""

    def __init__(self) -> None:
        self.feature_names_in_ = np.array(["code", "flag"])

    def predict(self, rows: pd.DataFrame) -> Any:
        """The lengths of both texts."""
        texts = ["".join(map(str, row)) for row in rows.itertuples(index=False)]
        return np.array([float(len(text)) for text in texts])


def test_a_row_alone_is_the_row_in_a_batch_with_gaps() -> None:
    inputs = (
        Feature("code", "integer", missing="allow"),
        Feature("flag", "boolean", missing="allow"),
    )
    contract = Contract(inputs, Output("regressor", "y", None, probabilities=False), form="frame")
    engine = SklearnEngine(Spelled(), contract)
    validator = Validator(contract)
    rows = [[2, True], [None, True], [17, None], [None, None], [5, False], [17, None]]
    locs: list[tuple[str | int, ...]] = [("rows", at) for at in range(len(rows))]
    together = engine.predict(validator.batch(rows, locs, limit=10)).values
    alone = [engine.predict(validator.batch([row], [("row",)], limit=1)).values[0] for row in rows]
    assert together == alone
    assert alone[0] == len("2True")
