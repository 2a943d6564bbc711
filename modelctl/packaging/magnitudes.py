"""How large a number may be before the estimator refuses it.

A tree takes any float32. Behind a scaler or a product it is the scaled number that has to fit, and
scikit-learn refuses what does not; an engine would calculate with infinity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.converters import MAX_FLOAT
from modelctl.packaging.probes import Probe, ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from modelctl.packaging.oracle import Oracle

# Powers of ten that are tried. A smaller bound is not one of magnitude: a logarithm, say, whose
# domain the engine guards.
EXPONENTS = range(38, 11, -1)


def magnitudes(
    oracle: Oracle, row: pd.DataFrame, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """The bounds of those features that do not take every float32: powers of ten."""
    largest = [Probe(name, sign * MAX_FLOAT) for name in names for sign in (-1, 1)]
    refused = {
        probe.name
        for probe, answer in zip(largest, ask(oracle, row, largest), strict=True)
        if not answer
    }
    bounds = {}
    for name in (name for name in names if name in refused):
        low, high = (_bound(oracle, row, name, sign) for sign in (-1, 1))
        if low is not None and high is not None:
            bounds[name] = (low, high)
    return bounds


def _bound(oracle: Oracle, row: pd.DataFrame, name: str, sign: int) -> float | None:
    """The largest power of ten that is answered; None if none of those tried is."""
    if ask(oracle, row, [Probe(name, sign * MAX_FLOAT)])[0]:
        return sign * MAX_FLOAT
    # Refusals are monotonous here, so halving finds the place in five questions.
    low, high = 0, len(EXPONENTS)
    while low < high:
        middle = (low + high) // 2
        if ask(oracle, row, [Probe(name, sign * 10.0 ** EXPONENTS[middle])])[0]:
            high = middle
        else:
            low = middle + 1
    return None if low == len(EXPONENTS) else sign * 10.0 ** EXPONENTS[low]
