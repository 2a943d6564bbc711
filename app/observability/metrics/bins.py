"""The reference's bins: which one a value falls into, what it is called, how many were there.

A feature's values are numbers (see `contract`): those of a category its position or -1 if it is
none of them, any other to be looked up between edges, a missing one NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.model.contract import MAX_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.model.contract import Output, Target

# Labels must not grow without bound: categories and classes beyond these share `other`.
MAX_CATEGORIES = 50
MAX_LABEL = 100
MISSING, UNSEEN, BELOW, ABOVE, OTHER = "missing", "unseen", "below", "above", "other"


@dataclass(frozen=True)
class Bins:
    """Bins of one feature or of the predictions.

    `positions` are those in `labels` and `ratios`: for each category and for an unseen one, if
    there are no `edges`, else for each number of edges that a value has reached; the last one is
    that of a missing value, but for predictions, which never are. The last edge is infinity. No
    ratios: there is no reference.
    """

    labels: tuple[str, ...]
    edges: tuple[float, ...]
    positions: tuple[int, ...]
    ratios: tuple[float, ...] | None


def of_feature(entry: dict[str, Any]) -> Bins:
    """The bins of a feature by its entry in the manifest's `reference`."""
    missing = float(entry.get("missing", 0.0))
    if "categories" in entry:
        texts = [_text(value) for value in entry["categories"]]
        return _of_categories(texts, entry["ratios"], missing)
    if entry.get("edges"):
        return _of_ranges(entry["edges"], entry["ratios"], missing)
    # Free text, or never there in the sample: all that can be told is whether there is a value.
    return Bins(("0", MISSING), (math.inf,), (0, 1), (1 - missing, missing))


@dataclass(frozen=True)
class PartBins:
    """The bins of one part of the predictions: the only one, a target, a number of a vector.

    `key` finds its value in a predicted one, None if that is the value itself. `series` are the
    values of the metrics' label, one for each of the bins' labels: those of several parts are in
    one family.
    """

    part: Target
    key: str | int | None
    bins: Bins
    series: tuple[str, ...]


def of_predictions(output: Output, entry: dict[str, Any] | None) -> list[PartBins]:
    """The bins of every counted part of the predictions, by the manifest's reference of them.

    Bundles of earlier versions have no reference.
    """
    if output.kind != "transformer" and not output.targets:
        own = _of_part(output.parts[0], entry)
        return [PartBins(output.parts[0], None, own, own.labels)]
    entries = (entry or {}).get("parts")
    listed = []
    taken: list[str] = []
    for at, part in enumerate(output.parts[:MAX_PARTS]):
        own = _of_part(part, entries[at] if entries else None)
        series = distinct([f"{part.name}={label}" for label in own.labels], taken)
        taken += series
        key = at if output.kind == "transformer" else part.name
        listed.append(PartBins(part, key, own, tuple(series)))
    return listed


def _of_part(part: Target, entry: dict[str, Any] | None) -> Bins:
    if part.classes is not None:
        ratios = None if entry is None else entry["ratios"]
        return _of_classes([str(value) for value in part.classes], ratios)
    if entry is None:
        return Bins(("0",), (math.inf,), (0,), None)
    ranges = _of_ranges(entry["edges"], entry["ratios"], 0.0)
    # A prediction is never missing: that bin is the last.
    shares = None if ranges.ratios is None else ranges.ratios[:-1]
    return Bins(ranges.labels[:-1], ranges.edges, ranges.positions[:-1], shares)


def distinct(texts: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Label values for these texts: none empty, which Prometheus takes for absent, none twice."""
    seen = set(taken)
    labels = []
    for text in texts:
        plain = text[:MAX_LABEL] or "(empty)"
        label, number = plain, 1
        while label in seen:
            number += 1
            label = f"{plain}~{number}"
        seen.add(label)
        labels.append(label)
    return labels


def _of_categories(texts: Sequence[str], ratios: Sequence[float], missing: float) -> Bins:
    """One bin for each category; of too many, the most frequent keep their own."""
    by_share = sorted(range(len(texts)), key=lambda at: -ratios[at])
    labels, positions = _labelled(texts, sorted(by_share[:MAX_CATEGORIES]), (MISSING, UNSEEN))
    shares = [0.0] * len(labels)
    for position, ratio in zip(positions, ratios, strict=True):
        shares[position] += ratio * (1 - missing)
    absent = labels.index(MISSING)
    shares[absent] = missing
    return Bins(labels, (), (*positions, labels.index(UNSEEN), absent), tuple(shares))


def _of_classes(texts: Sequence[str], ratios: Sequence[float] | None) -> Bins:
    """One bin for each class; there are as many positions, in their order."""
    labels, positions = _labelled(texts, list(range(len(texts)))[:MAX_CATEGORIES], ())
    if ratios is None:
        return Bins(labels, (), positions, None)
    shares = [0.0] * len(labels)
    for position, ratio in zip(positions, ratios, strict=True):
        shares[position] += ratio
    return Bins(labels, (), positions, tuple(shares))


def _labelled(
    texts: Sequence[str], kept: list[int], special: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The labels of those that are kept, of the rest if there is one, and the special ones.

    And for each text the position of its label.
    """
    rest = (OTHER,) if len(kept) < len(texts) else ()
    labels = (*distinct([texts[at] for at in kept], (*rest, *special)), *rest, *special)
    positions = {at: position for position, at in enumerate(kept)}
    return labels, tuple(positions.get(at, len(kept)) for at in range(len(texts)))


def _of_ranges(edges: Sequence[float], ratios: Sequence[float], missing: float) -> Bins:
    """Bin i is edges[i] <= value < edges[i + 1]; the last one has its upper edge as well."""
    count = len(ratios)
    # numpy.histogram closes the last bin; one edge alone is a column with one value.
    upper = math.nextafter(edges[-1], math.inf)
    inner = edges[:-1] if len(edges) > 1 else edges
    labels = (*map(str, range(count)), BELOW, ABOVE, MISSING)
    return Bins(
        labels,
        (*inner, upper, math.inf),
        (count, *range(count), count + 1, count + 2),
        (*(ratio * (1 - missing) for ratio in ratios), 0.0, 0.0, missing),
    )


def _text(value: Any) -> str:
    """A category as a label: booleans as JSON has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
