"""The manifest as a whole: its one typed schema.

What is served by is typed to the last value; what is only shown to people is any object. The JSON
Schema of it is docs/reference/manifest.schema.json.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from app.model.contract import MAX_PARTS, WHAT, Contract, Output, Rows
from app.model.feature import Feature
from app.model.typed import invalid, read

# A DNS label, because releases and paths have this name, and short enough for what is added to it;
# the end is that of the text, not of its first line.
Name = Annotated[str, Meta(pattern=r"^[a-z]([-a-z0-9]{0,51}[a-z0-9])?$(?!\n)")]
Version = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$(?!\n)")]
Share = Annotated[float, Meta(ge=0, le=1)]


class File(Struct, frozen=True):
    """A file that the digest covers."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    # No file system holds more.
    bytes: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Environment(Struct, frozen=True):
    """What the model was packaged with."""

    python: str
    libraries: dict[str, str]
    foreign_modules: tuple[str, ...] = ()


class Distribution(Struct, frozen=True):
    """How often a feature, or an answer, fell into each bin in training."""

    name: str
    ratios: tuple[Share, ...] = ()
    missing: Share = 0.0
    edges: tuple[float, ...] | None = None
    categories: tuple[str | int | float | bool, ...] | None = None
    # Those of several targets, or of the numbers of a vector.
    parts: tuple[Distribution, ...] | None = None

    def verify(self) -> None:
        """Raises BundleRefusedError unless there is a ratio for every bin."""
        bins = len(self.ratios)
        if self.categories is not None:
            expected = len(self.categories)
        elif self.edges:
            expected = max(1, len(self.edges) - 1)
            if list(self.edges) != sorted(self.edges):
                raise invalid(WHAT, f"rising edges of {self.name!r}", "others")
        else:
            return
        if bins != expected:
            raise invalid(WHAT, f"{expected} ratios of {self.name!r}", str(bins))


# Of each background row: two orders, each with its reverse, so that their error can be estimated.
MIN_PERMUTATIONS = 4


class Explain(Struct, frozen=True):
    """How explanations use the background in the bundle."""

    rows: Annotated[int, Meta(ge=1)]
    permutations: Annotated[int, Meta(ge=MIN_PERMUTATIONS, multiple_of=2)]
    additive: bool


class Manifest(Struct, frozen=True, kw_only=True):
    """What manifest.json says."""

    schema_version: Literal[1, 2]
    name: Name
    version: Version
    engine: str
    files: dict[str, File]
    inputs: Annotated[tuple[Feature, ...], Meta(min_length=1)]
    output: Output
    environment: Environment
    rows: Rows | None = None
    created: datetime | None = None
    description: str | None = None
    metrics: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None
    reference: tuple[Distribution, ...] | None = None
    explain: Explain | None = None
    prediction_reference: Distribution | None = None


def verify(document: dict[str, Any]) -> tuple[Manifest, Contract]:
    """The manifest as typed values, and its contract. Raises BundleRefusedError without one."""
    manifest = read(Manifest, document, WHAT)
    contract = Contract.of(manifest.inputs, manifest.output, manifest.rows)
    features = {feature.name: feature for feature in manifest.inputs}
    for entry in manifest.reference or ():
        entry.verify()
        if entry.name in features:
            _verify_reference(entry, features[entry.name])
    if manifest.prediction_reference is not None:
        _verify_predictions(manifest.prediction_reference, manifest.output)
    return manifest, contract


def _verify_reference(entry: Distribution, feature: Feature) -> None:
    """Values are counted by their place in the contract's list: both have to be one."""
    is_boolean = feature.dtype == "boolean"
    of_list = is_boolean or (feature.dtype == "string" and feature.categories is not None)
    known = 2 if is_boolean else len(feature.categories or ())
    if entry.categories is None and not entry.edges:
        return
    if (entry.categories is not None) != of_list or (of_list and len(entry.ratios) != known):
        expected = f"{known} categories" if of_list else "edges"
        raise invalid(f"{WHAT} at $.reference", f"{expected} of {feature.name!r}", "others")


def _verify_predictions(entry: Distribution, output: Output) -> None:
    where = f"{WHAT} at $.prediction_reference"
    several = output.kind == "transformer" or bool(output.targets)
    parts = output.parts[:MAX_PARTS]
    entries = (entry.parts or ()) if several else (entry,)
    if several and not entries:
        return
    if len(entries) != len(parts):
        raise invalid(where, f"{len(parts)} parts", str(len(entries)))
    for part, each in zip(parts, entries, strict=True):
        each.verify()
        fits = bool(each.edges) if part.classes is None else len(each.ratios) == len(part.classes)
        if not fits:
            expected = "edges" if part.classes is None else f"{len(part.classes)} ratios"
            raise invalid(where, f"{expected} of {part.name!r}", str(len(each.ratios)))
