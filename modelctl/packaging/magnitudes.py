"""How large a number may be before the estimator refuses it.

A tree takes any float32. Behind a scaler or a product it is the scaled number that has to fit, and
scikit-learn refuses what does not; an engine would calculate with infinity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.converters import MAX_FLOAT
from modelctl.packaging.probes import with_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from modelctl.packaging.oracle import Oracle

# Powers of ten that are tried. A smaller bound is not one of magnitude: a logarithm, say, whose
# domain the engine guards.
EXPONENTS = range(38, 11, -1)
# Features that are asked one by one.
MAX_SINGLE = 40


def magnitudes(
    oracle: Oracle, row: pd.DataFrame, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """The bounds of those features that do not take every float32: powers of ten.

    Many features are asked together and get the same bounds: a question for each takes long.
    """
    groups = [[name] for name in names] if len(names) <= MAX_SINGLE else [list(names)]
    bounds: dict[str, tuple[float, float]] = {}
    for group in [] if _takes(oracle, row, names, MAX_FLOAT) else groups:
        low, high = (_bound(oracle, row, group, sign) for sign in (-1, 1))
        if low is not None and high is not None and (low, high) != (-MAX_FLOAT, MAX_FLOAT):
            bounds |= dict.fromkeys(group, (low, high))
    return bounds


def _takes(oracle: Oracle, row: pd.DataFrame, names: Sequence[str], value: float) -> bool:
    """Whether each of these features takes the value and its negative."""
    both = (_answers(oracle, row, names, sign * value) for sign in (-1, 1))
    return all(both)


def _answers(oracle: Oracle, row: pd.DataFrame, names: Sequence[str], value: float) -> bool:
    """Whether these features take the value, all of them at once."""
    columns = {name: with_values(row[name], [value]).set_axis(row.index) for name in names}
    return oracle.accepts(row.assign(**columns))


def _bound(oracle: Oracle, row: pd.DataFrame, names: Sequence[str], sign: int) -> float | None:
    """The largest power of ten that is answered; None if none of those tried is."""
    if _answers(oracle, row, names, sign * MAX_FLOAT):
        return sign * MAX_FLOAT
    # Refusals are monotonous here, so halving finds the place in five questions.
    low, high = 0, len(EXPONENTS)
    while low < high:
        middle = (low + high) // 2
        if _answers(oracle, row, names, sign * 10.0 ** EXPONENTS[middle]):
            high = middle
        else:
            low = middle + 1
    return None if low == len(EXPONENTS) else sign * 10.0 ** EXPONENTS[low]
