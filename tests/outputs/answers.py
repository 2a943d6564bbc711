"""What scikit-learn answers, row by row, in the form that the API promises for each protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def dense(answer: Any) -> np.ndarray:
    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)


def expected(model: Any, rows: pd.DataFrame, method: str, targets: list[str]) -> list[Any]:
    """One JSON value per row: by target if there are several."""
    answer = getattr(model, method)(rows)
    if method == "transform" or not targets:
        found = dense(answer)
        listed: list[Any] = (found.ravel() if method == "predict" else found).tolist()
        return listed
    if method != "predict_proba":
        return [dict(zip(targets, row, strict=True)) for row in dense(answer).tolist()]
    if isinstance(answer, list):
        parts = [part.tolist() for part in answer]
        return [dict(zip(targets, row, strict=True)) for row in zip(*parts, strict=True)]
    return [
        {name: [1 - share, share] for name, share in zip(targets, row, strict=True)}
        for row in answer.tolist()
    ]


def is_close(one: Any, other: Any) -> bool:
    """Equal labels, and numbers within the parity gate's tolerance."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_close, one, other))
    if isinstance(one, float) and not isinstance(other, bool):
        return bool(abs(one - other) <= 1e-6 * max(1.0, abs(one)))
    return type(one) is type(other) and bool(one == other)


def flat(value: Any) -> list[Any]:
    """The elements of a tensor, row-major."""
    if isinstance(value, dict):
        value = list(value.values())
    return [part for entry in value for part in flat(entry)] if isinstance(value, list) else [value]
