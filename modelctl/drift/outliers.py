"""The share of live rows that are outliers compared with the sample, by an isolation forest.

Detects unusual combinations of features whose individual distributions have not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import KFold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.feature import Feature

    Numbers = NDArray[np.float64]

# The share of the sample that the forest classifies as outliers.
CONTAMINATION = 0.05
TREES = 200
FOLDS = 5
MAX_CATEGORIES = 50
# Significance level of Fisher's exact test.
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Outliers:
    """`expected`: the share of outliers among held-out rows of the sample (cross-validation)."""

    share: float
    expected: float
    rows: int
    p: float

    @property
    def ratio(self) -> float:
        """The multiple of the expected share; 1 if chance explains the difference."""
        if self.p >= SIGNIFICANCE:
            return 1.0
        return self.share / max(self.expected, CONTAMINATION / FOLDS)


def find(
    features: list[Feature], live: dict[str, Numbers], reference: dict[str, Numbers]
) -> Outliers | None:
    """The share of outliers by a forest fitted on the reference (Liu, Ting & Zhou, Isolation
    Forest, 2008); None without enough rows or columns.
    """
    used = [one for one in features if one.name in live and not one.is_text]
    if not used:
        return None
    rows = len(next(iter(live.values())))
    known = _matrix(used, reference, reference)
    if len(known) < FOLDS * 10 or not rows:
        return None
    held_out = 0
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(known):
        held_out += int((_fit_forest(known[train]).predict(known[test]) < 0).sum())
    expected = held_out / len(known)
    count = int((_fit_forest(known).predict(_matrix(used, live, reference)) < 0).sum())
    table = [[count, rows - count], [held_out, len(known) - held_out]]
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    return Outliers(count / rows, expected, rows, p)


def _fit_forest(matrix: Numbers) -> IsolationForest:
    forest = IsolationForest(n_estimators=TREES, contamination=CONTAMINATION, random_state=0)
    return forest.fit(matrix)


def _matrix(
    features: list[Feature], columns: dict[str, Numbers], reference: dict[str, Numbers]
) -> Numbers:
    """Numbers with missing ones as the sample's median; indicators of categories and gaps."""
    parts: list[Numbers] = []
    for feature in features:
        column, known = columns[feature.name], reference[feature.name]
        gaps = np.isnan(column)
        if feature.categories is not None:
            codes = range(min(len(feature.categories), MAX_CATEGORIES))
            parts += [(column == code).astype(np.float64) for code in codes]
        else:
            median = 0.0 if np.isnan(known).all() else float(np.nanmedian(known))
            parts.append(np.where(gaps, median, column))
        if np.isnan(known).any():
            parts.append(gaps.astype(np.float64))
    return np.column_stack(parts)
