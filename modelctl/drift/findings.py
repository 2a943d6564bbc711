"""The findings of a drift report and their severity, which is decided only here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelctl.drift import measures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelctl.drift.distributions import Reference
    from modelctl.drift.measures import Test
    from modelctl.drift.outliers import Outliers
    from modelctl.drift.performance import MetricChange

Level = Literal["ok", "chance", "few", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("ok", "chance", "few", "warning", "critical")
# Outliers are a warning above the first multiple of the expected share, critical above the second.
OUTLIER_RATIOS = (2.0, 4.0)
# A metric is critical if it is significantly worse by this share of its value.
CRITICAL_LOSS = 0.1


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the stability index, and the minimum of rows. Defaults as in the chart."""

    warning: float = 0.1
    critical: float = 0.25
    rows: int = 500


@dataclass(frozen=True)
class DriftFinding:
    """The drift of one feature, or of the predictions.

    `chance`: the index up to which chance explains the difference.
    """

    reference: Reference
    counts: NDArray[np.float64]
    psi: float
    chance: float
    level: Level
    chi_square: Test | None = None
    ks: Test | None = None

    @property
    def rows(self) -> float:
        """The number of live rows."""
        return float(self.counts.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """Live rows by bin, as shares."""
        return self.counts / (self.rows or 1.0)

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {
            "name": self.reference.name,
            "level": self.level,
            "rows": round(self.rows, 3),
            "psi": self.psi,
            "chance": self.chance,
            "chi_square": _test(self.chi_square),
            "kolmogorov_smirnov": _test(self.ks),
            "bins": [
                {"bin": label, "means": text, "reference": float(reference), "live": float(live)}
                for label, text, reference, live in zip(
                    self.reference.bins.labels,
                    self.reference.texts,
                    self.reference.ratios,
                    self.shares,
                    strict=True,
                )
            ],
        }


@dataclass(frozen=True)
class Report:
    """The drift report of one bundle."""

    model: str
    version: str
    digest: str
    # A description of where the rows come from.
    source: str
    rows: float
    thresholds: Thresholds
    features: list[DriftFinding]
    # One for each target of a model with several, and for each number of a vector.
    predictions: list[DriftFinding]
    outliers: Outliers | None = None
    performance: list[MetricChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """The most severe level."""
        levels = [one.level for one in [*self.features, *self.predictions]]
        levels += [level_of_outliers(self.outliers)] if self.outliers else []
        levels += [level_of_metric(metric) for metric in self.performance]
        return max(levels, key=LEVELS.index, default="few")

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "model": self.model,
            "version": self.version,
            "digest": self.digest,
            "source": self.source,
            "rows": round(self.rows, 3),
            "level": self.level,
            "thresholds": vars(self.thresholds),
            "features": [one.as_dict() for one in self.features],
            # The only one, as ever; all of several under `targets`.
            "predictions": self.predictions[0].as_dict() if len(self.predictions) == 1 else None,
            "targets": [one.as_dict() for one in self.predictions],
            "outliers": {**vars(self.outliers), "level": level_of_outliers(self.outliers)}
            if self.outliers
            else None,
            "performance": [
                {**vars(metric), "level": level_of_metric(metric)} for metric in self.performance
            ],
            "notes": self.notes,
        }


def judge(
    reference: Reference,
    counts: NDArray[np.float64],
    reference_rows: int,
    thresholds: Thresholds,
    ks: Test | None = None,
) -> DriftFinding:
    """Compare counts with the reference.

    An index above a threshold is not a warning here if chance explains it, because the sample is
    small; the alert rules do not know the size of the sample.
    """
    rows = float(counts.sum())
    shares = counts / (rows or 1.0)
    index = measures.psi(shares, reference.ratios) if rows else 0.0
    used = int(((reference.ratios > 0) | (counts > 0)).sum())
    by_chance = measures.chance(used, rows, reference_rows)
    return DriftFinding(
        reference,
        counts,
        index,
        by_chance,
        _level(index, by_chance, rows, thresholds),
        measures.chi_square(counts, reference.ratios * reference_rows),
        ks,
    )


def level_of_outliers(outliers: Outliers) -> Level:
    """The severity of a share of outliers."""
    return _at(outliers.ratio, *OUTLIER_RATIOS)


def level_of_metric(metric: MetricChange) -> Level:
    """The severity of a metric's decline."""
    return "ok" if metric.loss == 0 else _at(metric.loss, 0.0, CRITICAL_LOSS)


def _level(index: float, by_chance: float, rows: float, thresholds: Thresholds) -> Level:
    if rows < thresholds.rows:
        return "few"
    level = _at(index, thresholds.warning, thresholds.critical)
    return "chance" if level != "ok" and index <= by_chance else level


def _at(value: float, warning: float, critical: float) -> Level:
    if value > critical:
        return "critical"
    return "warning" if value > warning else "ok"


def _test(test: Test | None) -> dict[str, float] | None:
    return None if test is None else {"statistic": test.statistic, "p": test.p}
