"""Reference distributions of features and predictions, and live counts by the same bins.

The bins are those of the service, computed by the same code, so that reports from captured rows and
from Prometheus are comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.observability.metrics import bins as app_bins
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract, Label
    from app.observability.metrics.bins import Bins, PartBins

    Numbers = NDArray[np.float64]

SPECIAL_BINS = ("below", "above", "missing", "unseen")


@dataclass(frozen=True)
class Reference:
    """The distribution of one feature, or of the predictions, in the sample."""

    name: str
    bins: Bins
    ratios: Numbers
    # Bin edges of numbers; empty for categories and free text.
    edges: tuple[float, ...] = ()
    is_prediction: bool = False
    # Of a prediction: the part of it, and where its value is (see PartBins).
    part: PartBins | None = None

    @property
    def texts(self) -> list[str]:
        """A description of each bin: a category, a range or a special bin."""
        if not self.edges:
            return ["present" if text == "0" else text for text in self.bins.labels]
        return [self._text(label) for label in self.bins.labels]

    def _text(self, label: str) -> str:
        edges = self.edges
        if label == "below":
            return f"below {edges[0]:.4g}"
        if label == "above":
            return f"above {edges[-1]:.4g}"
        if label in SPECIAL_BINS:
            return label
        low = int(label)
        return f"{edges[low]:.4g}" + (f" to {edges[low + 1]:.4g}" if len(edges) > 1 else "")

    def count(self, counts: Mapping[str, float]) -> Numbers:
        """Live rows by bin, from counts by label."""
        series = self.bins.labels if self.part is None else self.part.series
        return np.array([counts.get(label, 0.0) for label in series])

    def count_numbers(self, encoded: Numbers) -> Numbers:
        """Live rows by bin, from values encoded by the contract."""
        if self.bins.edges:
            indices = np.searchsorted(np.array(self.bins.edges), encoded, side="right")
        else:
            # A category is encoded as its position; the last bin is for missing ones.
            indices = np.where(np.isnan(encoded), -1, encoded).astype(int)
        positions = np.array(self.bins.positions)[indices]
        return np.bincount(positions, minlength=len(self.bins.labels)).astype(np.float64)


def of_features(manifest: dict[str, Any]) -> dict[str, Reference]:
    """The reference of every feature, by name. Raises ModelctlError."""
    entries = manifest.get("reference")
    if not isinstance(entries, list) or not entries:
        raise ModelctlError(
            "the bundle has no reference distributions",
            fix="package the model again with this version of modelctl",
        )
    return {str(entry["name"]): _reference(entry, app_bins.of_feature(entry)) for entry in entries}


def of_predictions(manifest: dict[str, Any], contract: Contract) -> list[Reference]:
    """The reference of every counted part of the predictions; none in an older bundle."""
    entry = manifest.get("prediction_reference")
    if entry is None:
        return []
    entries = entry.get("parts", [entry])
    parts = app_bins.of_predictions(contract.output, entry)
    return [_reference(one, part.bins, part) for one, part in zip(entries, parts, strict=True)]


def values_of(reference: Reference, predictions: Sequence[Any]) -> list[Any]:
    """The values of one part of the predictions."""
    key = None if reference.part is None else reference.part.key
    return list(predictions) if key is None else [value[key] for value in predictions]


def count_predictions(
    reference: Reference, values: Sequence[Label], classes: Sequence[Label] | None
) -> Numbers:
    """Live values of one part of the predictions by bin."""
    if classes is None:
        return reference.count_numbers(np.asarray(values, dtype=np.float64))
    by_class = dict(zip(classes, reference.bins.positions, strict=True))
    positions = [by_class[value] for value in values if value in by_class]
    return np.bincount(positions, minlength=len(reference.bins.labels)).astype(np.float64)


def _reference(entry: dict[str, Any], bins: Bins, part: PartBins | None = None) -> Reference:
    ratios = np.array(bins.ratios or (), dtype=np.float64)
    edges = tuple(entry.get("edges") or ())
    return Reference(str(entry["name"]), bins, ratios, edges, part is not None, part)
