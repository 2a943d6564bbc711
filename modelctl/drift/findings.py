"""What was found, and how serious it is: the one place that judges."""

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
    from modelctl.drift.performance import Metric

Level = Literal["ok", "chance", "few", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("ok", "chance", "few", "warning", "critical")
# Outliers are a warning from this many times the expected share, and critical from the second.
OUTLIER_RATIOS = (2.0, 4.0)
# A metric is critical once it is surely worse by this share of its value.
CRITICAL_LOSS = 0.1


@dataclass(frozen=True)
class Thresholds:
    """Of the stability index; below `rows` nothing is said. The chart's defaults."""

    warning: float = 0.1
    critical: float = 0.25
    rows: int = 500


@dataclass(frozen=True)
class Finding:
    """One feature, or the predictions. `chance`: an index that is not remarkable without drift."""

    reference: Reference
    counts: NDArray[np.float64]
    psi: float
    chance: float
    level: Level
    chi_square: Test | None = None
    ks: Test | None = None

    @property
    def rows(self) -> float:
        """Live rows."""
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
    """Everything about one bundle's live rows."""

    model: str
    version: str
    digest: str
    # Where the rows come from, in words.
    source: str
    rows: float
    thresholds: Thresholds
    features: list[Finding]
    predictions: Finding | None
    outliers: Outliers | None = None
    performance: list[Metric] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """The worst of all."""
        found = [one.level for one in self.features]
        found += [self.predictions.level] if self.predictions else []
        found += [level_of_outliers(self.outliers)] if self.outliers else []
        found += [level_of_metric(metric) for metric in self.performance]
        return max(found, key=LEVELS.index, default="few")

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
            "predictions": self.predictions.as_dict() if self.predictions else None,
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
) -> Finding:
    """Compare counts with the reference.

    An index above a threshold that chance alone explains, because the sample is small, is no
    warning here; the alert rules do not know how small it was.
    """
    rows = float(counts.sum())
    shares = counts / (rows or 1.0)
    index = measures.psi(shares, reference.ratios) if rows else 0.0
    used = int(((reference.ratios > 0) | (counts > 0)).sum())
    usual = measures.chance(used, rows, reference_rows)
    return Finding(
        reference,
        counts,
        index,
        usual,
        _level(index, usual, rows, thresholds),
        measures.chi_square(counts, reference.ratios * reference_rows),
        ks,
    )


def level_of_outliers(outliers: Outliers) -> Level:
    """How serious a share of outliers is."""
    return _at(outliers.ratio, *OUTLIER_RATIOS)


def level_of_metric(metric: Metric) -> Level:
    """How serious it is that a metric became worse."""
    return "ok" if metric.loss == 0 else _at(metric.loss, 0.0, CRITICAL_LOSS)


def _level(index: float, usual: float, rows: float, thresholds: Thresholds) -> Level:
    if rows < thresholds.rows:
        return "few"
    level = _at(index, thresholds.warning, thresholds.critical)
    return "chance" if level != "ok" and index <= usual else level


def _at(value: float, warning: float, critical: float) -> Level:
    if value > critical:
        return "critical"
    return "warning" if value > warning else "ok"


def _test(test: Test | None) -> dict[str, float] | None:
    return None if test is None else {"statistic": test.statistic, "p": test.p}
