"""One input of a model: what a request may send for it, and the number that encodes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Dtype = Literal["float", "integer", "boolean", "string", "datetime"]
Rule = Literal["allow", "refuse"]
Unseen = Literal["pass", "refuse"]
# The code of a text that is none of the categories: no encoder's category has it.
UNSEEN_CODE = -1.0
MISSING = float("nan")


@dataclass(frozen=True)
class Feature:
    """One input.

    `min` and `max` are the range in training: informative, not enforced; `range` is enforced.
    `categories` are the values that the fitted encoders know. With `unseen` refuse they are a
    closed list; with pass any other value is answered as the estimator does. Strings without
    categories are free text. `storage` names the column's type in training where it is not the
    usual one of its dtype: `category`, or that of a datetime such as `datetime64[ns, UTC]`.
    `sensitive` hides values of the training data in everything that the service shows.
    """

    name: str
    dtype: Dtype
    min: float | None = None
    max: float | None = None
    categories: tuple[Any, ...] | None = None
    missing: Rule = "refuse"
    unseen: Unseen = "refuse"
    range: tuple[float | None, float | None] | None = None
    description: str = ""
    example: Any = None
    sensitive: bool = False
    storage: str = ""

    @cached_property
    def codes(self) -> dict[str, float]:
        """Text -> its code in an encoded row; empty unless this is a string with categories."""
        if self.dtype != "string":
            return {}
        return {category: float(code) for code, category in enumerate(self.categories or ())}

    def code(self, text: str | None) -> float:
        """The number that encodes a text: the position of its category."""
        return MISSING if text is None else self.codes.get(text, UNSEEN_CODE)

    @property
    def is_text(self) -> bool:
        """Free text: a string whose values are not enumerated."""
        return self.dtype == "string" and self.categories is None

    @property
    def is_open(self) -> bool:
        """A string that may have a value which no encoder knows: its text is kept."""
        return self.dtype == "string" and (self.categories is None or self.unseen == "pass")

    @property
    def closed(self) -> tuple[Any, ...] | None:
        """The only values that are answered; None if there are others."""
        return self.categories if self.unseen == "refuse" else None

    @property
    def listed(self) -> tuple[Any, ...] | None:
        """The closed list as everyone may see it; None if there is none or it is sensitive."""
        return None if self.sensitive else self.closed

    def as_manifest(self) -> dict[str, Any]:
        """The entry under the manifest's `inputs`: what differs from the default."""
        entry: dict[str, Any] = {
            "name": self.name,
            "dtype": self.dtype,
            "min": self.min,
            "max": self.max,
            "categories": None if self.categories is None else list(self.categories),
            "missing": self.missing,
            "unseen": self.unseen,
        }
        if self.range is not None:
            entry["range"] = list(self.range)
        for key in ("description", "example", "sensitive", "storage"):
            if getattr(self, key):
                entry[key] = getattr(self, key)
        return entry

    def as_public(self) -> dict[str, Any]:
        """The entry that callers may see: no text of the training data but a closed list."""
        entry = self.as_manifest() | {
            "categories": None if self.listed is None else list(self.listed)
        }
        entry.pop("storage", None)
        if self.sensitive:
            entry |= {"min": None, "max": None}
        return entry
