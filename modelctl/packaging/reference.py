"""The reference distributions of features and predictions, with which drift is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.contract import MAX_PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract, Label, Output, Target
    from app.model.feature import Feature

BINS = 10
DIGITS = 6


def reference(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Per feature: the share of missing values, and bin edges or categories with their shares."""
    return [_describe(feature, frame[feature.name]) for feature in contract.inputs]


def _describe(feature: Feature, column: pd.Series[Any]) -> dict[str, Any]:
    present = column.dropna()
    entry: dict[str, Any] = {
        "name": feature.name,
        "missing": round(1 - len(present) / len(column), DIGITS),
    }
    if feature.is_text or not len(present):
        return entry
    if feature.dtype == "datetime":
        times = pd.to_datetime(present, utc=True).dt.as_unit("us").astype("int64")
        return entry | _by_range(times.to_numpy(dtype=np.float64))
    if feature.dtype == "boolean":
        return entry | _by_category(present, (False, True))
    if feature.dtype == "string":
        described = _by_category(present, feature.categories or ())
        if feature.listed is None:
            # Texts of the training data go nowhere: /metrics shows these labels.
            described["categories"] = [f"category {at}" for at in range(len(described["ratios"]))]
        return entry | described
    return entry | _by_range(present.to_numpy(dtype=np.float64))


def prediction_reference(values: Sequence[Any], output: Output) -> dict[str, Any]:
    """The distribution of the model's predictions on the sample, in the format of `reference`.

    Classes are written as in the metrics' labels. Several targets, and the first numbers of a
    vector, have an entry each under `parts`.
    """
    if output.kind == "transformer":
        columns = list(zip(*values, strict=True))[:MAX_PARTS]
    elif output.targets:
        columns = [tuple(row[part.name] for row in values) for part in output.parts[:MAX_PARTS]]
    else:
        return _of_part(values, output.parts[0])
    pairs = zip(columns, output.parts, strict=False)
    parts = [_of_part(column, part) for column, part in pairs]
    return {"name": output.target, "missing": 0.0, "parts": parts}


def _of_part(values: Sequence[Label], part: Target) -> dict[str, Any]:
    entry = {"name": part.name, "missing": 0.0}
    if part.classes is None:
        return entry | _by_range(np.asarray(values, dtype=np.float64))
    return entry | _by_category(pd.Series(values).map(str), tuple(map(str, part.classes)))


def _by_category(present: pd.Series[Any], categories: Sequence[Any]) -> dict[str, Any]:
    shares = present.value_counts(normalize=True, sort=False)
    ratios = [round(float(shares.get(value, 0.0)), DIGITS) for value in categories]
    return {"categories": list(categories), "ratios": ratios}


def _by_range(numbers: NDArray[np.float64]) -> dict[str, Any]:
    edges = _edges(numbers)
    counts, _ = np.histogram(numbers, bins=edges if len(edges) > 1 else 1)
    ratios = [round(float(count) / len(numbers), DIGITS) for count in counts]
    return {"edges": [float(edge) for edge in edges], "ratios": ratios}


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deciles; a value that equals several of them gets a bin of its own; no bin is empty.

    Otherwise a column of zeros and ones, or one that is mostly zero, would have a single bin, which
    shows no drift.
    """
    # Quantiles that are values of the sample, not interpolated, so that equal ones are recognized.
    deciles, times = np.unique(
        np.quantile(numbers, np.linspace(0, 1, BINS + 1), method="inverted_cdf"),
        return_counts=True,
    )
    values = np.unique(numbers)
    between = (values[:-1] + values[1:]) / 2
    common = np.searchsorted(values, deciles[times > 1])
    # Up to the next value; for the largest, from the previous one.
    apart = between[np.minimum(common, len(between) - 1)] if len(between) else between
    edges = np.unique(np.concatenate([deciles, apart]))
    if len(edges) < 2:
        return edges
    counts, _ = np.histogram(numbers, bins=edges)
    return np.concatenate([edges[:1], edges[1:][counts > 0]])
