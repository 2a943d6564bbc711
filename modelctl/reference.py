"""How each feature was distributed in the sample: what later drift is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from app.contract import Contract, Feature

BINS = 10
DIGITS = 6


def reference(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Per feature: the share of missing values, and bin edges or categories with their shares."""
    columns = zip(contract.inputs, (frame[name] for name in frame.columns), strict=True)
    return [_describe(feature, column) for feature, column in columns]


def _describe(feature: Feature, column: pd.Series[Any]) -> dict[str, Any]:
    present = column.dropna()
    entry: dict[str, Any] = {
        "name": feature.name,
        "missing": round(1 - len(present) / len(column), DIGITS),
    }
    if feature.is_text or not len(present):
        return entry
    if feature.dtype in ("string", "boolean"):
        shares = present.value_counts(normalize=True, sort=False)
        values = list(feature.categories or (False, True))
        entry["categories"] = values
        entry["ratios"] = [round(float(shares.get(value, 0.0)), DIGITS) for value in values]
        return entry
    numbers = present.to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)))
    counts, _ = np.histogram(numbers, bins=edges if len(edges) > 1 else 1)
    entry["edges"] = [float(edge) for edge in edges]
    entry["ratios"] = [round(float(count) / len(numbers), DIGITS) for count in counts]
    return entry
