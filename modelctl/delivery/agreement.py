"""How much two versions agree on the same rows. Pure: pairs in, numbers out."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.drift import measures
from modelctl.repository import replay_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from modelctl.delivery.replay import Pair, Pairs

BINS = 10
# A number with more values than this is cut into quarters.
MAX_VALUES = 12
SHOWN = 5


@dataclass(frozen=True)
class Slice:
    """Rows with one value, or a range of values, of a feature.

    `score` is the ratio of changed rows; of numbers the mean absolute difference.
    """

    feature: str
    value: str
    rows: int
    changed: float
    score: float


@dataclass(frozen=True)
class Agreement:
    """What changes between two versions over the same rows."""

    rows: int
    refused: int
    changed: int
    psi: dict[str, float]
    max_difference: float | None
    mean_difference: float | None
    slices: list[Slice]
    transitions: list[tuple[str, str, int]]
    refusals: list[tuple[str, int]]
    skipped: dict[str, int]
    left_out: int
    digests: list[str]

    @property
    def changed_ratio(self) -> float:
        """Of the answered rows, those with another answer."""
        return self.changed / (self.rows - self.refused) if self.rows > self.refused else 0.0

    @property
    def refused_ratio(self) -> float:
        """Of all rows, those that the candidate refuses."""
        return self.refused / self.rows

    @property
    def left_out_ratio(self) -> float:
        """Of all rows of the release, those without a feature or a prediction to compare by."""
        return self.left_out / (self.rows + self.left_out)

    @property
    def max_psi(self) -> float:
        """The largest index of all parts of a prediction."""
        return max(self.psi.values(), default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """The agreement as JSON."""
        return {
            **{key: value for key, value in vars(self).items() if key != "slices"},
            "changed_ratio": self.changed_ratio,
            "refused_ratio": self.refused_ratio,
            "left_out_ratio": self.left_out_ratio,
            "max_psi": self.max_psi,
            "slices": [vars(each) for each in self.slices],
        }


@dataclass(frozen=True)
class Limits:
    """The largest ratios and index that are accepted; None accepts any.

    Beside any limit, rows that cannot count for it are refused, unless their ratio has its own:
    otherwise a candidate that answers nothing would change nothing.
    """

    changed: float | None = None
    psi: float | None = None
    refused: float | None = None
    left_out: float | None = None

    def violations(self, found: Agreement) -> list[str]:
        """What exceeds its limit, and a replay without any answer."""
        given = (self.changed, self.psi, self.refused, self.left_out)
        default = None if all(limit is None for limit in given) else 0.0
        refused = default if self.refused is None else self.refused
        left_out = default if self.left_out is None else self.left_out
        return replay_limits.too_few(found.rows - found.refused, 1) + replay_limits.over(
            changed=(self.changed, found.changed_ratio),
            psi=(self.psi, found.max_psi),
            refused=(refused, found.refused_ratio),
            left_out=(left_out, found.left_out_ratio),
        )


def compare(pairs: Pairs, *, tolerance: float, min_slice: int) -> Agreement:
    """Compare the answers of all pairs.

    `tolerance`: the difference up to which two numbers are the same answer, relative above 1.
    """
    answered = [pair for pair in pairs.pairs if not pair.after.refusal]
    refusals = Counter(pair.after.refusal for pair in pairs.pairs if pair.after.refusal)
    parts = [(_parts(pair.before), _parts(pair.after.prediction)) for pair in answered]
    numeric = _numeric(parts)
    changed = np.array([_is_changed(*each, tolerance) for each in parts], dtype=bool)
    gaps = np.array([_gap(*each) for each in parts], dtype=np.float64)
    return Agreement(
        rows=len(pairs.pairs),
        refused=len(pairs.pairs) - len(answered),
        changed=int(changed.sum()),
        psi=dict(_indexes(parts)),
        max_difference=float(gaps.max()) if numeric and len(gaps) else None,
        mean_difference=float(gaps.mean()) if numeric and len(gaps) else None,
        slices=_worst(answered, changed, gaps if numeric else changed.astype(float), min_slice),
        transitions=[] if numeric else _transitions(parts),
        refusals=refusals.most_common(SHOWN),
        skipped=pairs.skipped,
        left_out=pairs.left_out,
        digests=sorted(pairs.digests),
    )


def _parts(prediction: Any) -> dict[str, Any]:
    """The values of a prediction: by target, by position, or one without a name."""
    if isinstance(prediction, dict):
        return {str(name): value for name, value in prediction.items()}
    if isinstance(prediction, list):
        return {str(at): value for at, value in enumerate(prediction)}
    return {"": prediction}


def _numeric(parts: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> bool:
    """Whether predictions have numbers, whose differences mean something; labels may be whole."""
    return any(
        isinstance(value, float) for pair in parts for side in pair for value in side.values()
    )


def _is_changed(before: dict[str, Any], after: dict[str, Any], tolerance: float) -> bool:
    if before.keys() != after.keys():
        return True
    return any(not _is_same(value, after[name], tolerance) for name, value in before.items())


def _is_same(before: Any, after: Any, tolerance: float) -> bool:
    if _is_number(before) and _is_number(after) and float in (type(before), type(after)):
        return bool(abs(before - after) <= tolerance * max(1.0, abs(before)))
    # JSON tells true from 1, Python does not.
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _gap(before: dict[str, Any], after: dict[str, Any]) -> float:
    """The largest difference of numbers in one prediction."""
    gaps = [
        abs(float(value) - float(after[name]))
        for name, value in before.items()
        if name in after and _is_number(value) and _is_number(after[name])
    ]
    return max(gaps, default=0.0)


def _indexes(
    parts: Sequence[tuple[dict[str, Any], dict[str, Any]]],
) -> Iterator[tuple[str, float]]:
    """The stability index of each part: of labels by label, of numbers by deciles of the first."""
    names = dict.fromkeys(name for pair in parts for side in pair for name in side)
    for name in names:
        before = [pair[0][name] for pair in parts if name in pair[0]]
        after = [pair[1][name] for pair in parts if name in pair[1]]
        if not (before and after):
            # One version has no such part: nothing of one distribution is in the other.
            yield name, measures.psi(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        elif any(isinstance(value, float) for value in (*before, *after)) and all(
            map(_is_number, (*before, *after))
        ):
            edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
            counts = [
                np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1)
                for side in (after, before)
            ]
            yield name, measures.psi(counts[0] / len(after), counts[1] / len(before))
        else:
            labels = [[repr(value) for value in side] for side in (after, before)]
            known = sorted({*labels[0], *labels[1]})
            shares = [np.array([Counter(side)[label] for label in known]) for side in labels]
            yield name, measures.psi(shares[0] / len(after), shares[1] / len(before))


def _transitions(
    parts: Sequence[tuple[dict[str, Any], dict[str, Any]]],
) -> list[tuple[str, str, int]]:
    """The most frequent changes of labels."""
    changes = Counter(
        (str(value), str(after[name]))
        for before, after in parts
        for name, value in before.items()
        if name in after and not _is_same(value, after[name], 0.0)
    )
    return [(before, after, rows) for (before, after), rows in changes.most_common(SHOWN)]


def _worst(
    pairs: Sequence[Pair],
    changed: NDArray[np.bool_],
    scores: NDArray[np.float64],
    min_slice: int,
) -> list[Slice]:
    """The slices with the highest scores, one of each feature."""
    names = dict.fromkeys(name for pair in pairs for name in pair.features)
    worst = []
    for name in names:
        bins = _bins([pair.features.get(name) for pair in pairs])
        known = [
            Slice(name, value, len(at), float(changed[at].mean()), float(scores[at].mean()))
            for value, at in bins.items()
            if len(at) >= min_slice
        ]
        if known:
            worst.append(max(known, key=lambda each: (each.score, each.rows)))
    return sorted(worst, key=lambda each: -each.score)[:SHOWN]


def _bins(values: Sequence[Any]) -> dict[str, NDArray[np.intp]]:
    """The rows with each value; of numbers with many values, with each quarter of them."""
    present = [value for value in values if value is not None]
    if all(map(_is_number, present)) and len(set(present)) > MAX_VALUES:
        edges = np.unique(np.quantile(present, [0, 0.25, 0.5, 0.75, 1]))
        texts = [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges)]
        labels = [
            "missing"
            if value is None
            else texts[min(int(np.searchsorted(edges[1:-1], value, side="left")), len(texts) - 1)]
            for value in values
        ]
    else:
        labels = ["missing" if value is None else str(value) for value in values]
    rows: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        rows.setdefault(label, []).append(at)
    return {label: np.array(at) for label, at in rows.items()}
