"""A model's inputs and output: the typed form of the manifest's `inputs` and `output`.

The contract encodes every row as float64: a number stays as it is, a boolean is 0 or 1, a category
is its index in `categories`, a missing value is NaN. Both engines start from the same encoding, so
their predictions are comparable. Free text (strings without listed categories) is kept separately.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

from app.errors import BundleRefusedError

Dtype = Literal["float", "integer", "boolean", "string"]
Label = str | int | float | bool
DTYPES = ("float", "integer", "boolean", "string")
Kind = Literal["classifier", "regressor", "cluster", "anomaly", "transformer"]
KINDS = ("classifier", "regressor", "cluster", "anomaly", "transformer")
Scores = Literal["decision_function", "score_samples"]
SCORES = ("decision_function", "score_samples")


@dataclass(frozen=True)
class Feature:
    """One input. `min` and `max` are the range in training: informative, not enforced."""

    name: str
    dtype: Dtype
    min: float | None
    max: float | None
    categories: tuple[str, ...] | None
    missing: Literal["allow", "refuse"]

    @cached_property
    def codes(self) -> dict[str, float]:
        """Category -> its code in an encoded row."""
        return {category: float(code) for code, category in enumerate(self.categories or ())}

    @property
    def is_text(self) -> bool:
        """Free text: a string whose values are not enumerated."""
        return self.dtype == "string" and self.categories is None


@dataclass(frozen=True)
class Target:
    """One of several targets: a number, or one of its classes."""

    name: str
    classes: tuple[Label, ...] | None


@dataclass(frozen=True)
class Output:
    """What a model answers for one row, by its kind.

    - `classifier`: one of `classes`; `regressor`: a number. With `targets`, one of each of them.
    - `cluster`: the number of a cluster, one of `classes`.
    - `anomaly`: 1 for an inlier or -1 for an outlier, and its score.
    - `transformer`: a vector of `width` numbers.

    `probabilities`: one for each class, of all targets one after the other. `scores` is the method
    of scikit-learn that computes numbers beside the answer; `width` is how many per row, or None
    for a single number. No model has both, probabilities and scores.
    """

    kind: Kind
    target: str
    classes: tuple[Label, ...] | None
    probabilities: bool
    scores: Scores | None = None
    width: int | None = None
    targets: tuple[Target, ...] = ()

    @property
    def is_numeric(self) -> bool:
        """Whether the answer is numbers instead of labels."""
        return self.kind in ("regressor", "transformer")

    @property
    def score_name(self) -> str:
        """The key of the scores in an answer of /predict."""
        return "score" if self.kind == "anomaly" else "decision"

    @cached_property
    def parts(self) -> tuple[Target, ...]:
        """The single values that an answer consists of: targets, or numbers of a vector."""
        if self.kind == "transformer":
            return tuple(Target(str(index), None) for index in range(self.width or 0))
        return self.targets or (Target(self.target, self.classes),)

    @cached_property
    def class_slices(self) -> tuple[slice, ...]:
        """Of each part its columns among the probabilities; empty without probabilities."""
        if not self.probabilities:
            return ()
        ends = list(accumulate(len(part.classes or ()) for part in self.parts))
        return tuple(map(slice, [0, *ends[:-1]], ends))

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `output`; what only some kinds have is left out of the others."""
        entry = asdict(self)
        optional = {"scores": self.scores, "width": self.width, "targets": self.targets}
        return {key: value for key, value in entry.items() if optional.get(key, True)}


@dataclass(frozen=True)
class Contract:
    """The ordered inputs and the output of a model."""

    inputs: tuple[Feature, ...]
    output: Output

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in the order of a positional row."""
        return tuple(feature.name for feature in self.inputs)

    def as_manifest(self) -> dict[str, Any]:
        """The manifest entries that `from_manifest` reads."""
        return {
            "inputs": [asdict(feature) for feature in self.inputs],
            "output": self.output.as_manifest(),
        }

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Contract:
        """Raises BundleRefusedError if the manifest's inputs or output are invalid."""
        try:
            inputs = tuple(_feature(entry) for entry in manifest["inputs"])
            output = _output(manifest["output"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleRefusedError(
                "manifest.json has an invalid contract",
                expected="`inputs` and `output` as written by `modelctl package`",
                found=f"{type(error).__name__}: {error}"[:200],
                fix="package the model again with `modelctl package`",
            ) from error
        return cls(inputs=inputs, output=output)


def _feature(entry: dict[str, Any]) -> Feature:
    if entry["dtype"] not in DTYPES or entry["missing"] not in ("allow", "refuse"):
        raise ValueError(f"input {entry['name']!r}: {entry['dtype']!r}, {entry['missing']!r}")
    categories = entry["categories"]
    return Feature(
        name=entry["name"],
        dtype=entry["dtype"],
        min=entry["min"],
        max=entry["max"],
        categories=None if categories is None else tuple(categories),
        missing=entry["missing"],
    )


def _output(entry: dict[str, Any]) -> Output:
    """Bundles of schema 1 have neither scores nor targets."""
    kind, scores, width = entry["kind"], entry.get("scores"), entry.get("width")
    if kind not in KINDS or scores not in (None, *SCORES):
        raise ValueError(f"output kind {kind!r}, scores {scores!r}")
    if width is not None and (type(width) is not int or width < 1):
        raise ValueError(f"output width {width!r}")
    classes = entry["classes"]
    output = Output(
        kind=kind,
        target=entry["target"],
        classes=None if classes is None else tuple(classes),
        probabilities=entry["probabilities"],
        scores=scores,
        width=width,
        targets=tuple(_target(target) for target in entry.get("targets", ())),
    )
    if scores and output.probabilities:
        raise ValueError("output with probabilities and scores")
    labelled = [part.classes is not None for part in output.parts]
    if (kind == "transformer" and width is None) or any(labelled) == output.is_numeric:
        raise ValueError(f"output of kind {kind!r} with classes of {labelled.count(True)} targets")
    return output


def _target(entry: dict[str, Any]) -> Target:
    classes = entry["classes"]
    return Target(str(entry["name"]), None if classes is None else tuple(classes))
