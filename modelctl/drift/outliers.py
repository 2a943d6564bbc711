"""How many live rows are unlike any of the sample, taken as a whole: an isolation forest.

Each feature may look as it always did while their combination never occurred; bins cannot show it.
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

    from app.model.contract import Feature

    Numbers = NDArray[np.float64]

# The share of the sample itself that a forest is told to set apart.
CONTAMINATION = 0.05
TREES = 200
FOLDS = 5
MOST_CATEGORIES = 50
# A share is only remarkable if chance gives one this high once in a hundred reports.
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Outliers:
    """`expected`: the share among rows of the sample that the forest had not seen."""

    share: float
    expected: float
    rows: int
    p: float

    @property
    def ratio(self) -> float:
        """How many times as many as expected; 1 where chance explains the difference."""
        if self.p >= SIGNIFICANT:
            return 1.0
        return self.share / max(self.expected, CONTAMINATION / FOLDS)


def find(
    features: list[Feature], live: dict[str, Numbers], reference: dict[str, Numbers]
) -> Outliers | None:
    """The share of outliers by a forest grown on the reference (Liu, Ting & Zhou,
    Isolation Forest, 2008); None without enough rows or columns to grow one.
    """
    used = [one for one in features if one.name in live and not one.is_text]
    if not used:
        return None
    rows = len(next(iter(live.values())))
    known = _matrix(used, reference, reference)
    if len(known) < FOLDS * 10 or not rows:
        return None
    unseen = 0
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(known):
        unseen += int((_grown(known[train]).predict(known[test]) < 0).sum())
    expected = unseen / len(known)
    found = int((_grown(known).predict(_matrix(used, live, reference)) < 0).sum())
    table = [[found, rows - found], [unseen, len(known) - unseen]]
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    return Outliers(found / rows, expected, rows, p)


def _grown(matrix: Numbers) -> IsolationForest:
    forest = IsolationForest(n_estimators=TREES, contamination=CONTAMINATION, random_state=0)
    return forest.fit(matrix)


def _matrix(
    features: list[Feature], columns: dict[str, Numbers], reference: dict[str, Numbers]
) -> Numbers:
    """Numbers with the sample's median where missing, categories as indicators, gaps as well."""
    parts: list[Numbers] = []
    for feature in features:
        column, known = columns[feature.name], reference[feature.name]
        gaps = np.isnan(column)
        if feature.categories is not None:
            codes = range(min(len(feature.categories), MOST_CATEGORIES))
            parts += [(column == code).astype(np.float64) for code in codes]
        else:
            middle = 0.0 if np.isnan(known).all() else float(np.nanmedian(known))
            parts.append(np.where(gaps, middle, column))
        if np.isnan(known).any():
            parts.append(gaps.astype(np.float64))
    return np.column_stack(parts)
