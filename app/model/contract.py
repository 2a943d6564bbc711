"""A model's inputs and output: the typed form of the manifest's `inputs` and `output`.

The contract encodes every row as float64: a number stays as it is, a boolean is 0 or 1, a time is
microseconds since 1970, a category is its index in `categories` (-1 if it is none of them), a
missing value is NaN. The texts of open columns (any string is answered) are kept beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

from app.errors import BundleRefusedError
from app.model.feature import Feature

Label = str | int | float | bool
Kind = Literal["classifier", "regressor", "cluster", "anomaly", "transformer"]
KINDS = ("classifier", "regressor", "cluster", "anomaly", "transformer")
Scores = Literal["decision_function", "score_samples"]
SCORES = ("decision_function", "score_samples")
Form = Literal["frame", "array", "texts", ""]
Extra = Literal["refuse", "ignore"]
# Of more targets, or of a longer vector, the first ones are counted in metrics and drift.
MAX_PARTS = 50
FORMS = ("frame", "array", "texts", "")


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

    @property
    def explained(self) -> str | None:
        """The key of an answer whose numbers are explained; None if there are none to add up to."""
        if self.probabilities:
            return "probability"
        if self.scores:
            return self.score_name
        return "prediction" if self.kind == "regressor" else None

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
    """The ordered inputs and the output of a model.

    `form`: what the estimator was fitted on: a data frame, an array, or one column of texts; empty
    in bundles of schema version 1. A row may also have the keys in `ignored` (columns in training
    that the estimator drops), and any other key if `extra` is ignore.
    """

    inputs: tuple[Feature, ...]
    output: Output
    form: Form = ""
    ignored: tuple[str, ...] = ()
    extra: Extra = "refuse"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in the order of a positional row."""
        return tuple(feature.name for feature in self.inputs)

    def as_manifest(self) -> dict[str, Any]:
        """The manifest entries that `from_manifest` reads."""
        return {
            "inputs": [feature.as_manifest() for feature in self.inputs],
            "output": self.output.as_manifest(),
            "rows": {"form": self.form, "ignored": list(self.ignored), "extra": self.extra},
        }

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Contract:
        """Raises BundleRefusedError if the manifest's inputs or output are invalid."""
        try:
            inputs = tuple(Feature.from_manifest(entry) for entry in manifest["inputs"])
            output = _output(manifest["output"])
            rows = manifest.get("rows") or {}
            form, extra = _rows(rows)
            ignored = tuple(rows.get("ignored", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleRefusedError(
                "manifest.json has an invalid contract",
                expected="`inputs` and `output` as written by `modelctl package`",
                found=f"{type(error).__name__}: {error}"[:200],
                fix="package the model again with `modelctl package`",
            ) from error
        return cls(inputs, output, form=form, ignored=ignored, extra=extra)


def _rows(entry: dict[str, Any]) -> tuple[Form, Extra]:
    form, extra = entry.get("form", ""), entry.get("extra", "refuse")
    if form not in FORMS or extra not in ("refuse", "ignore"):
        raise ValueError(f"rows: form {form!r}, extra {extra!r}")
    return form, extra


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
