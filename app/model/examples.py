"""One valid row of a contract, for documentation and error bodies.

Made from the contract alone: a row of the sample would publish training data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.model.contract import Contract, Feature

# Values of features for which the contract says nothing more.
PLACEHOLDERS: dict[str, Any] = {"float": 0.0, "integer": 0, "boolean": True, "string": "text"}
# Shown instead of a midpoint's last digits, which only say how floats are added.
SIGNIFICANT_DIGITS = 6


def example_row(contract: Contract) -> list[Any]:
    """One value per feature, in the contract's order, that validation accepts."""
    return [_example(feature) for feature in contract.inputs]


def _example(feature: Feature) -> Any:
    """The user's own example, else the first category or the middle of the range."""
    given = getattr(feature, "example", None)
    if given is not None:
        return given
    if getattr(feature, "sensitive", False):
        return None if feature.missing == "allow" else PLACEHOLDERS[feature.dtype]
    if feature.categories:
        return feature.categories[0]
    if feature.min is None or feature.max is None or feature.dtype not in ("float", "integer"):
        return PLACEHOLDERS[feature.dtype]
    # Halved first: the sum of two large values is infinite.
    middle = feature.min / 2 + feature.max / 2
    if feature.dtype == "integer":
        return int(middle // 1)
    rounded = float(f"{middle:.{SIGNIFICANT_DIGITS}g}")
    return rounded if feature.min <= rounded <= feature.max else middle
