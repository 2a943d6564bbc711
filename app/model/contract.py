"""A model's inputs and output: the typed form of the manifest's `inputs` and `output`.

The contract encodes every row as float64: a number stays as it is, a boolean is 0 or 1, a category
is its index in `categories`, a missing value is NaN. Both engines start from the same encoding, so
their predictions are comparable. Free text (strings without listed categories) is kept separately.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from app.errors import BundleRefusedError

Dtype = Literal["float", "integer", "boolean", "string"]
Label = str | int | float | bool
DTYPES = ("float", "integer", "boolean", "string")


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
class Output:
    """The prediction: a class (with probabilities if the model has them) or a number."""

    kind: Literal["classifier", "regressor"]
    target: str
    classes: tuple[Label, ...] | None
    probabilities: bool


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
            "output": asdict(self.output),
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
    if entry["kind"] not in ("classifier", "regressor"):
        raise ValueError(f"output kind {entry['kind']!r}")
    classes = entry["classes"]
    return Output(
        kind=entry["kind"],
        target=entry["target"],
        classes=None if classes is None else tuple(classes),
        probabilities=entry["probabilities"],
    )
