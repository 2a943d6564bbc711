"""A model's inputs and output: the typed form of the manifest's `inputs` and `output`.

The contract encodes every row as float64: a number stays as it is, a boolean is 0 or 1, a time is
microseconds since 1970, a category is its index in `categories` (-1 if it is none of them), a
missing value is NaN. The texts of open columns (any string is answered) are kept beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from app.model.feature import Feature  # noqa: TC001 - msgspec reads it
from app.model.typed import invalid, read

if TYPE_CHECKING:
    from collections.abc import Iterable

Label = str | int | float | bool
Kind = Literal["classifier", "regressor", "cluster", "anomaly", "transformer"]
Scores = Literal["decision_function", "score_samples"]
Form = Literal["frame", "array", "texts", ""]
Extra = Literal["refuse", "ignore"]
# Of more targets, or of a longer vector, the first ones are counted in metrics and drift.
MAX_PARTS = 50
WHAT = "manifest.json"


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
        """Raises BundleRefusedError if the manifest's inputs, output or rows are invalid."""
        parts = read(_Parts, manifest, WHAT)
        return cls.of(parts.inputs, parts.output, parts.rows)

    @classmethod
    def of(cls, inputs: tuple[Feature, ...], output: Output, rows: Rows | None) -> Contract:
        """From what a manifest says. Raises BundleRefusedError if the parts contradict."""
        rows = rows or Rows()
        for feature in inputs:
            _verify_feature(feature)
        _require_distinct("inputs", [feature.name for feature in inputs])
        _verify_output(output)
        return cls(inputs, output, rows.form, rows.ignored, rows.extra)


@dataclass(frozen=True)
class Rows:
    """The manifest's `rows`: see `Contract`."""

    form: Form = ""
    ignored: tuple[str, ...] = ()
    extra: Extra = "refuse"


@dataclass(frozen=True)
class _Parts:
    inputs: tuple[Feature, ...]
    output: Output
    rows: Rows | None = None


def _verify_feature(feature: Feature) -> None:
    where = f"input {feature.name[:100]!r}"
    if not feature.name:
        raise invalid(WHAT, "a name for every input", "an empty one")
    if feature.categories is not None:
        kinds: dict[str, Any] = {"string": str, "boolean": bool, "datetime": ()}
        kind = kinds.get(feature.dtype, (int, float))
        wrong = [each for each in feature.categories if not isinstance(each, kind)]
        if wrong:
            raise invalid(WHAT, f"categories of {where} of dtype {feature.dtype}", repr(wrong[0]))
        _require_distinct(f"categories of {where}", feature.categories)
    for low, high in ((feature.min, feature.max), feature.range or (None, None)):
        if low is not None and high is not None and low > high:
            raise invalid(WHAT, f"a rising range of {where}", f"{low} to {high}")


def _verify_output(output: Output) -> None:
    if output.width is not None and output.width < 1:
        raise invalid(WHAT, "an output of one number or more", f"width {output.width}")
    if output.scores and output.probabilities:
        raise invalid(WHAT, "an output with probabilities or scores", "both")
    labelled = [part.classes is not None for part in output.parts]
    no_width = output.kind == "transformer" and output.width is None
    if no_width or any(labelled) == output.is_numeric:
        found = f"classes of {labelled.count(True)} targets, width {output.width}"
        raise invalid(WHAT, f"an output of kind {output.kind!r}", found)
    _require_distinct("targets", [target.name for target in output.targets])
    for part in output.parts:
        if part.classes is not None:
            if not part.classes:
                raise invalid(WHAT, f"classes of target {part.name!r}", "none")
            _require_distinct(f"classes of target {part.name!r}", part.classes)
        elif output.probabilities:
            raise invalid(WHAT, "classes for the probabilities", "none")


def _require_distinct(what: str, values: Iterable[Any]) -> None:
    seen = set()
    for value in values:
        # True is 1 in Python, and another value in JSON.
        key = (type(value) is bool, value)
        if key in seen:
            raise invalid(WHAT, f"distinct {what}", f"{value!r} twice")
        seen.add(key)
