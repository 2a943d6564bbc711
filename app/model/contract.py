"""A model's inputs and output: the typed form of the manifest's `inputs` and `output`.

The contract encodes every row as float64: a number stays as it is, a boolean is 0 or 1, a time is
microseconds since 1970, a category is its index in `categories` (-1 if it is none of them), a
missing value is NaN. The texts of open columns (any string is answered) are kept beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from app.errors import BundleRefusedError
from app.model.feature import Feature

Label = str | int | float | bool
Form = Literal["frame", "array", "texts", ""]
Extra = Literal["refuse", "ignore"]
FORMS = ("frame", "array", "texts", "")


@dataclass(frozen=True)
class Output:
    """The prediction: a class (with probabilities if the model has them) or a number."""

    kind: Literal["classifier", "regressor"]
    target: str
    classes: tuple[Label, ...] | None
    probabilities: bool


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
            "output": asdict(self.output),
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
    if entry["kind"] not in ("classifier", "regressor"):
        raise ValueError(f"output kind {entry['kind']!r}")
    classes = entry["classes"]
    return Output(
        kind=entry["kind"],
        target=entry["target"],
        classes=None if classes is None else tuple(classes),
        probabilities=entry["probabilities"],
    )
